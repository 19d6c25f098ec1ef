#include "client/modules/dataverse_state.h"

namespace bk::client {

DataverseState::DataverseState(const std::string& path) : db_(path) {
  db_.execute(
      "CREATE TABLE IF NOT EXISTS file (id INTEGER PRIMARY KEY, path BLOB NOT NULL, dataset BLOB NOT NULL, "
      "storage BLOB NOT NULL, checksum BLOB NOT NULL, bytes INTEGER NOT NULL, original INTEGER NOT NULL, "
      "created BLOB NOT NULL, status BLOB NOT NULL, why BLOB NOT NULL, tried BLOB NOT NULL) STRICT");
}

std::vector<FileStatus> DataverseState::after(std::uint64_t id, std::size_t most) {
  std::vector<FileStatus> out;
  sqlite::Statement rows = db_.prepare(
      "SELECT id, path, dataset, storage, checksum, bytes, original, created, status, why, tried FROM file "
      "WHERE id > ? ORDER BY id LIMIT ?");
  rows.bind(1, id).bind(2, std::uint64_t{most});
  while (rows.step()) {
    out.push_back({rows.count(0), rows.bytes(1), rows.bytes(2), rows.bytes(3), rows.bytes(4), rows.count(5),
                   rows.number(6) != 0, rows.bytes(7), rows.bytes(8), rows.bytes(9), rows.bytes(10)});
  }
  return out;
}

void DataverseState::save(const std::vector<FileStatus>& files, const std::vector<std::uint64_t>& gone) {
  if (files.empty() && gone.empty()) return;
  db_.transaction([&] {
    sqlite::Statement remove = db_.prepare("DELETE FROM file WHERE id = ?");
    for (const std::uint64_t id : gone) remove.bind(1, id).run();
    sqlite::Statement insert =
        db_.prepare("INSERT OR REPLACE INTO file VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
    for (const FileStatus& one : files) {
      insert.bind(1, one.id)
          .bind(2, one.path)
          .bind(3, one.dataset)
          .bind(4, one.storage)
          .bind(5, one.checksum);
      insert.bind(6, one.bytes).bind(7, std::uint64_t{one.original ? 1U : 0U}).bind(8, one.created);
      insert.bind(9, one.status).bind(10, one.why).bind(11, one.tried).run();
    }
  });
}

const FileStatus* StatusCursor::peek() {
  if (at_ == page_.size() && !ended_) {
    if (!page_.empty()) last_ = page_.back().id;
    page_ = state_.after(last_, 500);
    at_ = 0;
    ended_ = page_.empty();
  }
  return at_ < page_.size() ? &page_[at_] : nullptr;
}

}  // namespace bk::client
