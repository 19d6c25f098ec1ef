// A server's home with a store filled from real folders, and the real bkdb run on it.
#pragma once

#include "common/io/file.h"
#include "common/options/options.h"
#include "common/process/process.h"
#include "server/store/store.h"
#include "tests/support/stored_tree.h"
#include "tests/support/temp_dir.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <string>
#include <vector>

namespace bk::test {

class BkdbTest : public testing::Test {
 protected:
  BkdbTest() {
    ensure_directory(home());
    store_ = store::Store::open(home() + "/store", true);
  }

  [[nodiscard]] std::string home() const { return scratch_.file("home"); }
  [[nodiscard]] std::string file(const std::string& name) const { return scratch_.file(name); }

  // Writes a small file, with its folders.
  std::string write(const std::string& path, const std::string& bytes) {
    ensure_directory(parent_of(file(path)));
    replace_durably(file(path), bytes, 0644);
    return file(path);
  }

  store::SnapshotRecord back_up(const std::string& folder, StoreTask task) {
    if (task.name.empty()) task.name = "/srv/" + folder;
    return store_tree(*store_, file(folder), task);
  }

  static Captured run(const std::vector<std::string>& argv, const std::string& directory = {},
                      const std::vector<std::string>& environment = {}) {
    Command command;
    command.argv = argv;
    command.directory = directory;
    command.environment = base_environment("/");
    for (const std::string& one : environment) command.environment.push_back(one);
    return run_captured(command, std::chrono::seconds(60), 64U << 20U);
  }

  [[nodiscard]] static std::string program() { return program_directory() + "/../bin/bkdb"; }

  Captured bkdb(std::vector<std::string> words, const std::vector<std::string>& environment = {}) const {
    words.insert(words.begin(), {program(), "--home", home()});
    return run(words, "/", environment);
  }

  // "" when the trees are exactly equal, else the differences.
  static std::string difference(const std::string& a, const std::string& b) {
    const Captured result =
        run({std::string(BK_SOURCE_DIR) + "/tests/support/compare_trees.py", "--quiet", a, b});
    return result.status == 0 ? "" : result.out + result.err;
  }

  // The only entry of an export whose name begins with "<index>_".
  static std::string entry_of(const std::string& destination, const std::string& index = "0") {
    for (const std::string& name : list_directory(destination))
      if (name.starts_with(index + "_")) return destination + "/" + name;
    return destination + "/nothing";
  }

  TempDir scratch_;
  std::unique_ptr<store::Store> store_;
};

}  // namespace bk::test
