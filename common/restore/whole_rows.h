// Files of rows that a dump keeps as an older state and what changed since, made whole again after a restore.
//
//   NAME.rows, .gone, .more, .head, .foot, .sum        what they are: client/modules/row_changes.h
//
// NAME is the head, the lines of NAME.rows whose numbers are not in NAME.gone, those of NAME.more, and the
// foot. When the head is not empty its last line begins a statement of which they are the rows: each without
// its last byte, a ',' between two, a ';' behind the last; 64 rows in a statement, and fewer when they are
// long.  That line has at most 4 KiB.  NAME.sum is the SHA-256 of NAME, in hex.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace bk {

// The longest NAME.head.
inline constexpr std::uint64_t kMostRowsHead = 4U << 20U;

// Where the parts of NAME are.
struct RowParts {
  std::string rows, gone, more, head, foot;
};
// What they are together, piece by piece.  Memory is bounded whatever their sizes.  Throws NotFound (a part
// is missing), Corrupt (they do not belong together), Io.
void join_rows(const RowParts& parts, const std::function<void(std::string_view)>& write);

// Makes every such NAME at and below `folder` and removes what it was made of, never through a symlink;
// returns how many.  A run that was cut is repeated.  A NAME that is there is whole.  Throws NotFound, Usage
// (no folder), Corrupt (they do not belong together: then there is no NAME), Io.
std::uint64_t make_rows_whole(const std::string& folder);

// What lies in a dump that is not whole, and stops whoever loads it all the same.
inline constexpr const char* kNotWhole = "0-not-whole.sql";
// Whether a restored tree is such a dump.
[[nodiscard]] bool is_not_whole(const std::string& tree);
// What to say of it; `program` makes it whole.
[[nodiscard]] std::string not_whole_advice(std::string_view program, std::string_view folder);

}  // namespace bk
