// A folder of one test, removed with it.
#pragma once

#include "common/io/file.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <string>

namespace bk::test {

class TempDir {
 public:
  TempDir() {
    std::string pattern = ::testing::TempDir() + "bk-test-XXXXXX";
    if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("mkdtemp");
    path_ = pattern;
  }
  ~TempDir() { remove_tree(path_); }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] std::string file(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

}  // namespace bk::test
