// Content-defined chunking: FastCDC with a gear hash and normalised chunking
// (Xia et al., "FastCDC: a Fast and Efficient Content-Defined Chunking Approach for Data Deduplication",
// USENIX ATC 2016).
//
// Pure: bytes in, cut lengths out.  The same bytes after a cut always give the same next cut, so an insertion
// moves few cuts.  The gear table and the masks are part of the format in one sense only: a change of either
// makes every later backup store everything again.  So they are pinned by golden cuts in the tests.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace bk {

struct ChunkerParams {
  std::uint32_t min_bytes = 4096;
  std::uint32_t average_bytes = 16384;  // a power of two
  std::uint32_t max_bytes = 65536;
  auto operator<=>(const ChunkerParams&) const = default;
  // Whether what follows from these sizes is small, too: nodes and lists (server/store/node_cuts.h), and
  // pages of databases (file_cutter.h).  A store that was made with longer chunks goes on as it began.
  [[nodiscard]] bool cuts_finely() const { return average_bytes <= 8192; }
  // 64 <= min <= average <= max <= 4 MiB and a power of two in the middle.
  [[nodiscard]] bool valid() const;
};

class Chunker {
 public:
  explicit Chunker(ChunkerParams params);
  // Length of the first chunk of `data`.  `at_end` says that nothing follows `data`; when it is false and no
  // cut lies in `data` yet, returns 0: come back with more (at most max_bytes are ever needed).
  [[nodiscard]] std::size_t next_cut(std::string_view data, bool at_end) const;
  [[nodiscard]] const ChunkerParams& params() const { return params_; }

 private:
  ChunkerParams params_;
  std::uint64_t mask_small_, mask_large_;
};

}  // namespace bk
