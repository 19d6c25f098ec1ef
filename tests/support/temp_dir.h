// A folder of one test, removed with it.
#pragma once

#include "common/io/file.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <string>

namespace bk::test {

class TempDir {
 public:
  // In memory where there is such a folder: for thousands of syncs.
  [[nodiscard]] static std::string fast() {
    return access("/dev/shm", W_OK) == 0 ? "/dev/shm/" : ::testing::TempDir();
  }
  explicit TempDir(const std::string& in = ::testing::TempDir()) {
    std::string pattern = in + "bk-test-XXXXXX";
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
