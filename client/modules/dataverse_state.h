// What became of each file of a Dataverse: the status database of a slot (SQLite), a row for each file.
#pragma once

#include "common/sqlite/sqlite.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace bk::client {

struct FileStatus {
  std::uint64_t id = 0;
  std::string path;     // below files/: "<label>/<authority>/<identifier>/<name>"; "" when nothing lies there
  std::string dataset;  // "<authority>/<identifier>"
  std::string storage;  // as Dataverse names it
  std::string checksum;  // "<kind>:<hex>" that it was checked with
  std::uint64_t bytes = 0;
  bool original = false;  // `path`.orig lies there, too
  std::string created;
  std::string status;  // OK, FAIL_READ, FAIL_WRITE, FAIL_VERIFY
  std::string why;     // when not OK
  std::string tried;   // time of the last attempt
};

class DataverseState {
 public:
  explicit DataverseState(const std::string& path);
  // The first `most` files whose id is above `id`, by id.
  [[nodiscard]] std::vector<FileStatus> after(std::uint64_t id, std::size_t most);
  // One transaction: durable when it returns.
  void save(const std::vector<FileStatus>& files, const std::vector<std::uint64_t>& gone);

 private:
  sqlite::Database db_;
};

// The rows in order, a page at a time, whatever is changed meanwhile at or before the current one.
class StatusCursor {
 public:
  explicit StatusCursor(DataverseState& state) : state_(state) {}
  [[nodiscard]] const FileStatus* peek();
  void next() { ++at_; }

 private:
  DataverseState& state_;
  std::vector<FileStatus> page_;
  std::size_t at_ = 0;
  std::uint64_t last_ = 0;
  bool ended_ = false;
};

}  // namespace bk::client
