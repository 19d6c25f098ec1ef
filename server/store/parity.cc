#include "server/store/parity.h"

#include "common/error/error.h"
#include "common/io/file.h"
#include "common/parity/reed_solomon.h"
#include "server/store/bad_sectors.h"
#include "server/store/bytes.h"

#include <sys/types.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace bk::store {
namespace {

constexpr std::string_view kMagic = "BKPAR001";
constexpr std::uint32_t kLargeBlock = 16384, kSmallBlock = 4096;
constexpr std::uint64_t kSmallPack = 1U << 20U;
constexpr std::uint64_t kStripeData = 128;  // blocks of a stripe where the pack has as many
constexpr std::size_t kSumBytes = 8, kDigestBytes = 16;

// Nothing where the disk has none.
std::size_t read_what_can_be(ObjectReader& in, std::uint64_t offset, char* into, std::size_t bytes) {
  try {
    return in.read(offset, into, bytes);
  } catch (const Error& error) {
    if (!is_media_error(error)) throw;
    return 0;
  }
}

std::uint64_t divide_up(std::uint64_t a, std::uint64_t b) { return (a + b - 1) / b; }

std::string write_head(const PackRef& pack, const ParityShape& shape) {
  ByteWriter out;
  out.raw(kMagic).raw({reinterpret_cast<const char*>(pack.store.data()), pack.store.size()});
  out.u64(pack.number).u64(shape.pack_bytes).u32(shape.block_bytes).u16(shape.data).u16(shape.parity);
  out.u32(shape.stripes).u32(0);
  return out.u64(crc64(out.bytes())).take();
}

std::string digest_of(std::string_view bytes) {
  const ShortDigest digest = shorten(Sha256::of(bytes));
  return {reinterpret_cast<const char*>(digest.data()), digest.size()};
}

// 0 for a block behind the pack's end, which a last stripe may have.
std::size_t block_length(const ParityShape& shape, std::uint64_t block) {
  const std::uint64_t begin = std::min(block * shape.block_bytes, shape.pack_bytes);
  return static_cast<std::size_t>(std::min<std::uint64_t>(shape.block_bytes, shape.pack_bytes - begin));
}

// The blocks of one stripe of the pack, or of its parity, in memory; what the file does not have is zeros.
class Stripe {
 public:
  explicit Stripe(const ParityShape& shape)
      : shape_(shape), bytes_(std::size_t{shape.block_bytes} * (shape.data + std::size_t{shape.parity})) {}
  [[nodiscard]] char* block(std::size_t at) { return bytes_.data() + at * shape_.block_bytes; }
  [[nodiscard]] std::vector<char*> blocks() {
    std::vector<char*> out;
    for (std::size_t at = 0; at < std::size_t{shape_.data} + shape_.parity; ++at) out.push_back(block(at));
    return out;
  }
  void load(ObjectReader& in, std::uint64_t offset, std::size_t bytes, std::size_t at) {
    std::memset(block(at), 0, shape_.block_bytes);
    if (bytes != 0) (void)read_what_can_be(in, offset, block(at), bytes);
  }
  void load_data(ObjectReader& pack, std::uint64_t stripe) {
    for (std::size_t at = 0; at < shape_.data; ++at) {
      const std::uint64_t number = stripe + at * shape_.stripes;
      load(pack, number * shape_.block_bytes, block_length(shape_, number), at);
    }
  }

 private:
  ParityShape shape_;
  std::vector<char> bytes_;
};

std::uint64_t parity_offset(const ParityShape& shape, std::uint64_t block) {
  return shape.table_bytes() + block * shape.block_bytes;
}

// The sum of a block as it lies there, short or not; a block that is not there has none that fits.
std::uint64_t sum_of(ObjectReader& in, std::uint64_t offset, std::size_t bytes, std::string& buffer) {
  buffer.resize(bytes);
  const std::size_t got = read_what_can_be(in, offset, buffer.data(), bytes);
  return crc64(std::string_view(buffer).substr(0, got)) + (got == bytes ? 0 : 1);
}

std::optional<ParityTable> try_table(ObjectReader& parity, std::uint64_t offset, std::uint64_t bytes,
                                     const PackRef& ref, std::string& reason) {
  try {
    if (bytes > parity.size()) ByteReader::fail("its table is cut short");  // before memory is taken for it
    std::string text(bytes, '\0');
    text.resize(parity.read(offset, text.data(), text.size()));
    return parse_parity_table(text, ref);
  } catch (const Error& error) {
    if (error.kind() != Kind::Corrupt && !is_media_error(error)) throw;
    reason = error.what();
    return std::nullopt;
  }
}

// The head of the copy behind the blocks is not where a fixed offset from the end would find it; the length
// of everything is a function of the shape, so any shape that fits the file and its own sum is the one.
std::optional<ParityShape> try_head(ObjectReader& parity, std::uint64_t offset, const PackRef& ref) {
  try {
    std::string head(kParityHeadBytes, '\0');
    head.resize(parity.read(offset, head.data(), head.size()));
    return parse_parity_head(head, ref);
  } catch (const Error& error) {
    if (error.kind() != Kind::Corrupt && !is_media_error(error)) throw;
    return std::nullopt;
  }
}

struct FoundTable {
  ParityTable table;
  std::uint64_t damaged_copies = 0;
};

FoundTable find_table(ObjectReader& parity, const PackRef& ref) {
  std::string reason = "its head is damaged";
  const std::uint64_t size = parity.size();
  std::optional<ParityShape> shape = try_head(parity, 0, ref);
  if (!shape && size >= kParityHeadBytes) shape = try_head(parity, size - kParityHeadBytes, ref);
  if (!shape) throw Error(Kind::Corrupt, reason);
  const std::uint64_t bytes = shape->table_bytes();
  std::optional<ParityTable> first = try_table(parity, 0, bytes, ref, reason);
  std::optional<ParityTable> second =
      try_table(parity, parity_offset(*shape, shape->parity_blocks()), bytes, ref, reason);
  if (!first && !second) throw Error(Kind::Corrupt, reason);
  const std::uint64_t damaged =
      (first ? 0U : 1U) + (second ? 0U : 1U) + (size == shape->file_bytes() ? 0U : 1U);
  return {first ? *std::move(first) : *std::move(second), damaged};
}

std::uint64_t count_damaged_blocks(ObjectReader& parity, const ParityTable& table) {
  std::uint64_t out = 0;
  std::string buffer;
  for (std::uint64_t i = 0; i < table.parity_sums.size(); ++i)
    if (sum_of(parity, parity_offset(table.shape, i), table.shape.block_bytes, buffer) !=
        table.parity_sums[i])
      ++out;
  return out;
}

// Brings the data blocks of one stripe back and writes them; the number of those that stay lost.
std::uint64_t repair_stripe(ObjectReader& pack, ObjectReader& parity, const ParityTable& table,
                            std::uint64_t number, const std::vector<std::uint64_t>& damaged, int out) {
  const ParityShape& shape = table.shape;
  Stripe stripe(shape);
  stripe.load_data(pack, number);
  std::vector<std::size_t> missing;
  for (const std::uint64_t block : damaged) missing.push_back(block / shape.stripes);
  for (std::size_t j = 0; j < shape.parity; ++j) {
    const std::uint64_t at = number * shape.parity + j;
    stripe.load(parity, parity_offset(shape, at), shape.block_bytes, shape.data + j);
    if (crc64({stripe.block(shape.data + j), shape.block_bytes}) != table.parity_sums[at])
      missing.push_back(shape.data + j);
  }
  const std::vector<char*> blocks = stripe.blocks();
  if (!ReedSolomon(shape.data, shape.parity).recover(blocks, missing, shape.block_bytes))
    return damaged.size();
  std::uint64_t lost = 0;
  for (const std::uint64_t block : damaged) {
    const std::string_view bytes(stripe.block(block / shape.stripes), block_length(shape, block));
    if (crc64(bytes) != table.data_sums[block]) ++lost;
    pwrite_all(out, bytes, block * shape.block_bytes);
  }
  return lost;
}

void copy_pack(ObjectReader& pack, std::uint64_t bytes, int out) {
  std::string buffer(kSmallBlock, '\0');
  for (std::uint64_t at = 0; at < bytes; at += buffer.size()) {
    const auto want = static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), bytes - at));
    const std::size_t got = read_what_can_be(pack, at, buffer.data(), want);
    pwrite_all(out, std::string_view(buffer).substr(0, got), at);
  }
  resize_file(out, bytes);
}

}  // namespace

std::uint64_t ParityShape::table_bytes() const {
  return kParityHeadBytes + (blocks() + parity_blocks()) * kSumBytes + kDigestBytes + kParityHeadBytes;
}

std::uint64_t ParityShape::file_bytes() const { return 2 * table_bytes() + parity_blocks() * block_bytes; }

ParityShape parity_shape(std::uint64_t pack_bytes, unsigned percent) {
  ParityShape out;
  out.pack_bytes = pack_bytes;
  out.block_bytes = pack_bytes < kSmallPack ? kSmallBlock : kLargeBlock;
  const std::uint64_t blocks = std::max<std::uint64_t>(out.blocks(), 1);
  // More parity, shorter stripes: both together have to fit.
  const std::uint64_t longest = std::min<std::uint64_t>(kStripeData, 250 * 100 / (100 + percent));
  out.stripes = static_cast<std::uint32_t>(divide_up(blocks, longest));
  out.data = static_cast<std::uint16_t>(divide_up(blocks, out.stripes));
  out.parity = static_cast<std::uint16_t>(std::max<std::uint64_t>(divide_up(out.data * percent, 100), 2));
  return out;
}

std::string write_parity_table(const ParityTable& table) {
  const std::string head = write_head(table.pack, table.shape);
  ByteWriter out;
  out.raw(head);
  for (const std::uint64_t sum : table.data_sums) out.u64(sum);
  for (const std::uint64_t sum : table.parity_sums) out.u64(sum);
  return out.raw(digest_of(out.bytes())).raw(head).take();
}

ParityShape parse_parity_head(std::string_view head, const PackRef& pack) {
  if (head.size() != kParityHeadBytes || !head.starts_with(kMagic)) ByteReader::fail("no parity of a pack");
  ByteReader in(head.substr(kMagic.size()));
  const std::string_view store = in.raw(pack.store.size());
  if (std::memcmp(store.data(), pack.store.data(), store.size()) != 0 || in.u64() != pack.number)
    ByteReader::fail("the parity of another pack");
  ParityShape out;
  out.pack_bytes = in.u64();
  out.block_bytes = in.u32();
  out.data = in.u16();
  out.parity = in.u16();
  out.stripes = in.u32();
  if (in.u32() != 0 || in.u64() != crc64(head.substr(0, kParityHeadBytes - kSumBytes)))
    ByteReader::fail("its head is damaged");
  if (out.pack_bytes == 0 || out.pack_bytes > kMaxPackBytes || out.block_bytes < 512 ||
      out.block_bytes > (1U << 20U) || out.data == 0 || out.parity == 0 ||
      out.data + std::size_t{out.parity} > ReedSolomon::kMaxBlocks || out.stripes == 0 ||
      divide_up(out.blocks(), out.stripes) != out.data)
    ByteReader::fail("its shape is impossible");
  return out;
}

ParityTable parse_parity_table(std::string_view bytes, const PackRef& pack) {
  ParityTable out;
  out.pack = pack;
  out.shape = parse_parity_head(bytes.substr(0, kParityHeadBytes), pack);
  if (bytes.size() != out.shape.table_bytes()) ByteReader::fail("its table is cut short");
  const std::size_t summed = bytes.size() - kDigestBytes - kParityHeadBytes;
  if (bytes.substr(summed, kDigestBytes) != digest_of(bytes.substr(0, summed)) ||
      bytes.substr(summed + kDigestBytes) != bytes.substr(0, kParityHeadBytes))
    ByteReader::fail("its table is damaged");
  ByteReader in(bytes.substr(kParityHeadBytes, summed - kParityHeadBytes));
  for (std::uint64_t i = 0; i < out.shape.blocks(); ++i) out.data_sums.push_back(in.u64());
  for (std::uint64_t i = 0; i < out.shape.parity_blocks(); ++i) out.parity_sums.push_back(in.u64());
  return out;
}

void write_parity(ObjectReader& pack, const PackRef& ref, unsigned percent, int out) {
  ParityTable table;
  table.pack = ref;
  table.shape = parity_shape(pack.size(), percent);
  const ParityShape& shape = table.shape;
  table.data_sums.resize(shape.blocks());
  table.parity_sums.resize(shape.parity_blocks());
  const ReedSolomon code(shape.data, shape.parity);
  Stripe stripe(shape);
  const std::vector<char*> blocks = stripe.blocks();
  const std::vector<const char*> data(blocks.begin(), blocks.begin() + shape.data);
  const std::vector<char*> parity(blocks.begin() + shape.data, blocks.end());
  for (std::uint64_t number = 0; number < shape.stripes; ++number) {
    stripe.load_data(pack, number);
    for (std::uint64_t block = number, at = 0; block < shape.blocks(); block += shape.stripes, ++at)
      table.data_sums[block] = crc64({blocks[at], block_length(shape, block)});
    code.encode(data, parity, shape.block_bytes);
    for (std::size_t j = 0; j < parity.size(); ++j)
      table.parity_sums[number * shape.parity + j] = crc64({parity[j], shape.block_bytes});
    pwrite_all(out, {parity.front(), parity.size() * shape.block_bytes},
               parity_offset(shape, number * shape.parity));
  }
  const std::string bytes = write_parity_table(table);
  pwrite_all(out, bytes, 0);
  pwrite_all(out, bytes, parity_offset(shape, shape.parity_blocks()));
  sync_file(out);
}

ParityCheck check_parity(ObjectReader& pack, ObjectReader& parity, const PackRef& ref) {
  FoundTable found = find_table(parity, ref);
  ParityCheck out{std::move(found.table), {}, found.damaged_copies};
  const ParityShape& shape = out.table.shape;
  std::string buffer;
  for (std::uint64_t i = 0; i < shape.blocks(); ++i)
    if (sum_of(pack, i * shape.block_bytes, block_length(shape, i), buffer) != out.table.data_sums[i])
      out.damaged.push_back(i);
  out.damaged_parity += count_damaged_blocks(parity, out.table);
  return out;
}

std::uint64_t count_damaged_parity(ObjectReader& parity, const PackRef& ref) {
  const FoundTable found = find_table(parity, ref);
  return found.damaged_copies + count_damaged_blocks(parity, found.table);
}

std::uint64_t write_repaired(ObjectReader& pack, ObjectReader& parity, const ParityCheck& check, int out) {
  const ParityShape& shape = check.table.shape;
  copy_pack(pack, shape.pack_bytes, out);
  std::vector<std::uint64_t> order = check.damaged;
  std::sort(order.begin(), order.end(), [&](std::uint64_t a, std::uint64_t b) {
    return std::pair(a % shape.stripes, a) < std::pair(b % shape.stripes, b);
  });
  std::uint64_t lost = 0;
  for (auto at = order.begin(); at != order.end();) {
    const std::uint64_t number = *at % shape.stripes;
    const auto end =
        std::find_if(at, order.end(), [&](std::uint64_t b) { return b % shape.stripes != number; });
    lost += repair_stripe(pack, parity, check.table, number, {at, end}, out);
    at = end;
  }
  sync_file(out);
  return lost;
}

}  // namespace bk::store
