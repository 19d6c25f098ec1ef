// Where a file is cut: by its content (chunker.h), at its beginning into shorter chunks; or, when it is a
// database of pages that keep their places, on page borders.
//
// In stores with short chunks (ChunkerParams::cuts_finely()):
// - Chunks that begin among the first 4 average ones are half as long.  What people edit are small files, and
//   most bytes lie in long ones, so a change costs less for little more index.  By place and not by the
//   file's length: a log that grows is cut as before.
// - A changed page costs itself, and not the rest of the chunks around it.  Databases are SQLite's, told by
//   their first bytes ("The SQLite Database File Format", 1.3).
//
// Pure.  As with the gear table: a change of these rules makes a later backup store such files again.  Cuts
// only depend on the file's beginning, the content, and where in the file one is, so a part of it can be cut
// alone.
#pragma once

#include "common/chunk/chunker.h"

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace bk {

class FileCutter {
 public:
  static constexpr std::size_t kHeadBytes = 18;  // of a file: what begin() looks at

  explicit FileCutter(const ChunkerParams& params);
  // Another file begins; `head` is its first kHeadBytes bytes, or more, or all that it has.
  void begin(std::string_view head);
  // As Chunker::next_cut(); `at` is where in the file `data` begins.
  [[nodiscard]] std::size_t next_cut(std::string_view data, std::uint64_t at, bool at_end) const;
  [[nodiscard]] bool on_pages() const { return block_ != 0; }
  [[nodiscard]] const ChunkerParams& params() const { return chunker_.params(); }

 private:
  Chunker chunker_, first_;    // first_: for what begins before first_bytes_
  std::uint64_t first_bytes_;  // of a file; 0: none
  std::size_t block_ = 0;      // a multiple of the page, about as long as a chunk; 0: by content
};

}  // namespace bk
