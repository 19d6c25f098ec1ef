#include "common/chunk/file_cutter.h"

#include <algorithm>
#include <bit>

namespace bk {
namespace {

using namespace std::string_view_literals;

constexpr std::string_view kSqlite = "SQLite format 3\0"sv;

// The page size, or 0 when this is not the beginning of such a database.
std::size_t sqlite_page(std::string_view head) {
  if (head.size() < FileCutter::kHeadBytes || !head.starts_with(kSqlite)) return 0;
  const auto byte = [&](std::size_t i) {
    return static_cast<std::size_t>(static_cast<unsigned char>(head[i]));
  };
  const std::size_t stated = byte(16) << 8U | byte(17);
  const std::size_t page = stated == 1 ? 65536 : stated;
  return page >= 512 && std::has_single_bit(page) ? page : 0;
}

// Half as long, where that is possible.
ChunkerParams half(const ChunkerParams& params) {
  const ChunkerParams out{params.min_bytes / 2, params.average_bytes / 2, params.max_bytes / 2};
  return out.valid() ? out : params;
}

}  // namespace

FileCutter::FileCutter(const ChunkerParams& params)
    : chunker_(params),
      first_(half(params)),
      first_bytes_(params.cuts_finely() ? std::uint64_t{4} * params.average_bytes : 0) {}

void FileCutter::begin(std::string_view head) {
  const ChunkerParams& params = chunker_.params();
  const std::size_t page = params.cuts_finely() ? sqlite_page(head) : 0;
  // Not larger than a chunk may be: a part of a page does no harm, since pages never move.
  const std::size_t most = std::bit_floor(std::size_t{params.max_bytes});
  block_ = page == 0 ? 0 : std::min(std::max<std::size_t>(page, params.average_bytes), most);
}

std::size_t FileCutter::next_cut(std::string_view data, std::uint64_t at, bool at_end) const {
  if (block_ == 0) return (at < first_bytes_ ? first_ : chunker_).next_cut(data, at_end);
  const std::size_t rest = block_ - static_cast<std::size_t>(at % block_);
  if (data.size() >= rest) return rest;
  return at_end ? data.size() : 0;
}

}  // namespace bk
