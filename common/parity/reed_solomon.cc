#include "common/parity/reed_solomon.h"

#include "common/error/error.h"

#include <isa-l/crc64.h>
#include <isa-l/erasure_code.h>

#include <algorithm>

namespace bk {
namespace {

using Bytes = std::vector<unsigned char>;

constexpr std::size_t kTableBytes = 32;  // ISA-L's, for one coefficient

// ISA-L takes pointers to what it only reads as pointers to what it might write.
unsigned char* bytes_of(const char* block) {
  return reinterpret_cast<unsigned char*>(const_cast<char*>(block));
}

std::vector<unsigned char*> pointers(std::span<const char* const> blocks) {
  std::vector<unsigned char*> out;
  out.reserve(blocks.size());
  for (const char* block : blocks) out.push_back(bytes_of(block));
  return out;
}

Bytes tables_of(Bytes& rows, std::size_t columns) {
  const std::size_t count = rows.size() / columns;
  Bytes out(rows.size() * kTableBytes);
  ec_init_tables(static_cast<int>(columns), static_cast<int>(count), rows.data(), out.data());
  return out;
}

}  // namespace

std::uint64_t crc64(std::string_view bytes) noexcept {
  return crc64_ecma_refl(0, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size());
}

ReedSolomon::ReedSolomon(std::size_t data, std::size_t parity) : data_(data), parity_(parity) {
  if (data == 0 || parity == 0 || data + parity > kMaxBlocks)
    throw Error(Kind::Usage, "a stripe cannot have " + std::to_string(data) + " blocks and " +
                                 std::to_string(parity) + " blocks of parity");
  matrix_.resize((data + parity) * data);
  gf_gen_cauchy1_matrix(matrix_.data(), static_cast<int>(data + parity), static_cast<int>(data));
  Bytes lower(matrix_.begin() + static_cast<std::ptrdiff_t>(data * data), matrix_.end());
  tables_ = tables_of(lower, data);
}

void ReedSolomon::encode(std::span<const char* const> data, std::span<char* const> parity,
                         std::size_t bytes) const {
  std::vector<unsigned char*> in = pointers(data);
  std::vector<unsigned char*> out;
  for (char* block : parity) out.push_back(bytes_of(block));
  ec_encode_data(static_cast<int>(bytes), static_cast<int>(data_), static_cast<int>(parity_),
                 const_cast<unsigned char*>(tables_.data()), in.data(), out.data());
}

bool ReedSolomon::recover(std::span<char* const> blocks, std::span<const std::size_t> missing,
                          std::size_t bytes) const {
  if (missing.size() > parity_) return false;
  // The first data_ blocks that are there determine the data: their rows, inverted, lead back to it.
  Bytes rows, inverse(data_ * data_);
  std::vector<unsigned char*> in, out;
  for (std::size_t at = 0; in.size() < data_; ++at) {
    if (std::binary_search(missing.begin(), missing.end(), at)) continue;
    const auto row = matrix_.begin() + static_cast<std::ptrdiff_t>(at * data_);
    rows.insert(rows.end(), row, row + static_cast<std::ptrdiff_t>(data_));
    in.push_back(bytes_of(blocks[at]));
  }
  if (gf_invert_matrix(rows.data(), inverse.data(), static_cast<int>(data_)) != 0) return false;
  Bytes wanted;
  for (const std::size_t at : missing) {
    if (at >= data_) continue;
    const auto row = inverse.begin() + static_cast<std::ptrdiff_t>(at * data_);
    wanted.insert(wanted.end(), row, row + static_cast<std::ptrdiff_t>(data_));
    out.push_back(bytes_of(blocks[at]));
  }
  if (out.empty()) return true;
  Bytes tables = tables_of(wanted, data_);
  ec_encode_data(static_cast<int>(bytes), static_cast<int>(data_), static_cast<int>(out.size()),
                 tables.data(), in.data(), out.data());
  return true;
}

}  // namespace bk
