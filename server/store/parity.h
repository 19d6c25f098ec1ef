// Parity beside a pack: which of its blocks are damaged, and what they were (docs/formats/store.md, Parity).
//
// A pack of N blocks is dealt to T stripes, block i to stripe i mod T, so neighbours are in different
// stripes: a run of bad sectors, or a tail that is cut off, costs every stripe a little and none too much.
// Sums find the damaged blocks, Reed-Solomon brings them back (common/parity).  What comes back counts only
// when the whole pack then fits its own digests; the sums are no proof.
#pragma once

#include "common/error/error.h"
#include "server/store/layout.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace bk::store {

struct ParityShape {
  std::uint64_t pack_bytes = 0;
  std::uint32_t block_bytes = 0;
  std::uint32_t stripes = 0;
  std::uint16_t data = 0, parity = 0;  // blocks of a stripe, at most 255 together

  [[nodiscard]] std::uint64_t blocks() const { return (pack_bytes + block_bytes - 1) / block_bytes; }
  [[nodiscard]] std::uint64_t parity_blocks() const { return std::uint64_t{stripes} * parity; }
  [[nodiscard]] std::uint64_t table_bytes() const;
  [[nodiscard]] std::uint64_t file_bytes() const;
  bool operator==(const ParityShape&) const = default;
};
// For a pack of this size; `percent` 1 to 90.
[[nodiscard]] ParityShape parity_shape(std::uint64_t pack_bytes, unsigned percent);

struct ParityTable {
  PackRef pack;
  ParityShape shape;
  std::vector<std::uint64_t> data_sums, parity_sums;  // CRC-64 of every block
};
// The table as it stands in front of the parity blocks, and again behind them.
[[nodiscard]] std::string write_parity_table(const ParityTable& table);
// Its beginning says how long it is; throws Corrupt.
inline constexpr std::size_t kParityHeadBytes = 64;
[[nodiscard]] ParityShape parse_parity_head(std::string_view head, const PackRef& pack);
[[nodiscard]] ParityTable parse_parity_table(std::string_view bytes, const PackRef& pack);

// Writes the parity of a pack into an empty file; synced.  Memory: one stripe and the table.
void write_parity(ObjectReader& pack, const PackRef& ref, unsigned percent, int out);

struct ParityCheck {
  ParityTable table;
  std::vector<std::uint64_t> damaged;  // blocks of the pack
  std::uint64_t damaged_parity = 0;    // blocks, and copies of the table
};
// Reads the pack and its parity and compares both with the sums.  Throws Corrupt when neither copy of the
// table can be read.
[[nodiscard]] ParityCheck check_parity(ObjectReader& pack, ObjectReader& parity, const PackRef& ref);
// The parity alone; the number of what is wrong with it.
[[nodiscard]] std::uint64_t count_damaged_parity(ObjectReader& parity, const PackRef& ref);

// Writes the pack as it was into an empty file, as far as parity leads; synced.  Returns the number of blocks
// that stay damaged: these are copied as they are.
[[nodiscard]] std::uint64_t write_repaired(ObjectReader& pack, ObjectReader& parity, const ParityCheck& check,
                                           int out);

}  // namespace bk::store
