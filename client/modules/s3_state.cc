#include "client/modules/s3_state.h"

namespace bk::client {
namespace {

constexpr std::size_t kPage = 500;

}  // namespace

S3State::S3State(const std::string& path) : db_(path) {
  db_.execute(
      "CREATE TABLE IF NOT EXISTS object (key BLOB PRIMARY KEY, file BLOB NOT NULL, etag BLOB NOT NULL, "
      "bytes INTEGER NOT NULL, seconds INTEGER NOT NULL, nanoseconds INTEGER NOT NULL, line BLOB NOT NULL) "
      "STRICT, WITHOUT ROWID");
}

std::vector<SavedObject> S3State::after(const std::string& key, std::size_t most) {
  std::vector<SavedObject> out;
  sqlite::Statement rows = db_.prepare(
      "SELECT key, file, etag, bytes, seconds, nanoseconds, line FROM object WHERE key > ? ORDER BY key "
      "LIMIT ?");
  rows.bind(1, key).bind(2, std::uint64_t{most});
  while (rows.step()) {
    out.push_back({rows.bytes(0),
                   rows.bytes(1),
                   rows.bytes(2),
                   rows.count(3),
                   {rows.number(4), static_cast<std::uint32_t>(rows.number(5))},
                   rows.bytes(6)});
  }
  return out;
}

void S3State::save(const std::vector<SavedObject>& objects) {
  if (objects.empty()) return;
  db_.transaction([&] {
    sqlite::Statement insert = db_.prepare("INSERT OR REPLACE INTO object VALUES (?, ?, ?, ?, ?, ?, ?)");
    for (const SavedObject& one : objects) {
      insert.bind(1, one.key).bind(2, one.file).bind(3, one.etag).bind(4, one.bytes);
      insert.bind(5, one.modified.seconds).bind(6, std::uint64_t{one.modified.nanoseconds}).bind(7, one.line);
      insert.run();
    }
  });
}

void S3State::forget(const std::vector<std::string>& keys) {
  if (keys.empty()) return;
  db_.transaction([&] {
    sqlite::Statement remove = db_.prepare("DELETE FROM object WHERE key = ?");
    for (const std::string& key : keys) remove.bind(1, key).run();
  });
}

void S3State::move(const std::string& key, const std::string& file) {
  db_.prepare("UPDATE object SET file = ? WHERE key = ?").bind(1, file).bind(2, key).run();
}

const SavedObject* SavedCursor::peek() {
  if (at_ == page_.size() && !ended_) {
    if (!page_.empty()) last_ = page_.back().key;
    page_ = state_.after(last_, kPage);
    at_ = 0;
    ended_ = page_.empty();
  }
  return at_ < page_.size() ? &page_[at_] : nullptr;
}

}  // namespace bk::client
