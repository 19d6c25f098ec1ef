// What became of every request id, for ever, in 126 bytes each: so that a client which pushes a finished
// request again gets its answer and not another backup.
//
// Two files of fixed-length lines in TODO/<client>/: `.done`, sorted by id and searched without reading it,
// and `.done.log`, the newest ones in order of their end, merged into `.done` when it grows long.  Format:
// docs/formats/todo.md.  The caller holds the client's lock.  Errors: Io.
#pragma once

#include "server/todo/todo_item.h"

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace bk::server {

struct DoneRecord {
  std::string id;
  proto::Outcome outcome = proto::Outcome::Ok;
  int status = 0;
  std::string snapshot;      // 64 hex digits, or empty
  std::int64_t seconds = 0;  // when, since 1970
  bool operator==(const DoneRecord&) const = default;
};

inline constexpr std::size_t kDoneLineBytes = 126;
[[nodiscard]] std::string write_done_line(const DoneRecord& record);
// Nothing when the line is damaged.
[[nodiscard]] std::optional<DoneRecord> parse_done_line(std::string_view line);

class DoneLog {
 public:
  explicit DoneLog(std::string folder, std::size_t merge_at = 4096);
  // Durable when it returns.  Repeating a record changes nothing that anybody could see.
  void append(std::span<const DoneRecord> records);
  // One answer per id.
  [[nodiscard]] std::vector<std::optional<DoneRecord>> find(std::span<const std::string> ids) const;
  // Merges the log into the sorted file when it holds `merge_at` records.  A crash at any point loses
  // nothing.
  void merge_if_long();

 private:
  [[nodiscard]] std::string sorted_path() const;
  [[nodiscard]] std::string log_path() const;
  std::string folder_;
  std::size_t merge_at_;
};

}  // namespace bk::server
