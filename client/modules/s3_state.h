// What the files of an s3 slot are: a row for each object, in a SQLite file beside the tree.
#pragma once

#include "common/s3/s3.h"
#include "common/sqlite/sqlite.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace bk::client {

struct SavedObject {
  std::string key;
  std::string file;  // below objects/
  std::string etag;
  std::uint64_t bytes = 0;
  Timestamp modified;
  std::string line;  // of objects.jsonl
};

class S3State {
 public:
  explicit S3State(const std::string& path);
  // The first `most` objects behind `key`, in the order of keys.
  [[nodiscard]] std::vector<SavedObject> after(const std::string& key, std::size_t most);
  // One transaction: durable when it returns.
  void save(const std::vector<SavedObject>& objects);
  void forget(const std::vector<std::string>& keys);
  // Where an object lies now.
  void move(const std::string& key, const std::string& file);

 private:
  sqlite::Database db_;
};

// The rows in order, a page at a time, whatever is changed meanwhile behind the current one.
class SavedCursor {
 public:
  explicit SavedCursor(S3State& state) : state_(state) {}
  [[nodiscard]] const SavedObject* peek();
  void next() { ++at_; }

 private:
  S3State& state_;
  std::vector<SavedObject> page_;
  std::size_t at_ = 0;
  std::string last_;
  bool ended_ = false;
};

}  // namespace bk::client
