#include "server/store/parity.h"

#include "common/error/error.h"
#include "common/io/file.h"
#include "common/parity/reed_solomon.h"
#include "common/storage/folder_storage.h"
#include "tests/unit/store/store_fixture.h"

#include <gtest/gtest.h>
#include <unistd.h>

namespace bk::store {
namespace {

using namespace test;  // NOLINT: builders

const PackRef kRef{{{1, 2, 3}}, 0x0123456789abcdefU};

class StringReader final : public ObjectReader {
 public:
  explicit StringReader(std::string bytes) : bytes_(std::move(bytes)) {}
  std::uint64_t size() override { return bytes_.size(); }
  std::size_t read(std::uint64_t offset, char* into, std::size_t bytes) override {
    if (offset >= bytes_.size()) return 0;
    return bytes_.copy(into, bytes, offset);
  }

 private:
  std::string bytes_;
};

std::string whole(int fd) {
  std::string out(static_cast<std::size_t>(::lseek(fd, 0, SEEK_END)), '\0');
  (void)pread_up_to(fd, out.data(), out.size(), 0);
  return out;
}

std::string parity_of(const std::string& pack, unsigned percent) {
  FILE* file = ::tmpfile();
  StringReader in(pack);
  write_parity(in, kRef, percent, ::fileno(file));
  std::string out = whole(::fileno(file));
  (void)::fclose(file);
  return out;
}

// The pack that parity makes of a damaged one, and how many blocks it could not bring back.
std::pair<std::string, std::uint64_t> repaired(const std::string& damaged, const std::string& parity) {
  StringReader pack(damaged), beside(parity);
  const ParityCheck check = check_parity(pack, beside, kRef);
  FILE* file = ::tmpfile();
  const std::uint64_t lost = write_repaired(pack, beside, check, ::fileno(file));
  std::string out = whole(::fileno(file));
  (void)::fclose(file);
  return {out, lost};
}

TEST(Parity, TheSumIsTheOneOfXz) { EXPECT_EQ(crc64("123456789"), 0x995dc9bbdf1939faU); }

TEST(Parity, AnyBlocksOfAStripeComeBackAsLongAsNoMoreAreLostThanThereIsParity) {
  const ReedSolomon code(7, 3);
  std::string bytes = noise(10 * 64, 1);
  std::vector<char*> blocks;
  for (std::size_t i = 0; i < 10; ++i) blocks.push_back(bytes.data() + i * 64);
  code.encode(std::vector<const char*>(blocks.begin(), blocks.begin() + 7), {blocks.data() + 7, 3}, 64);
  const std::string right = bytes;
  for (std::size_t a = 0; a < 10; ++a)
    for (std::size_t b = a + 1; b < 10; ++b)
      for (std::size_t c = b + 1; c < 10; ++c) {
        for (const std::size_t at : {a, b, c}) std::fill_n(blocks[at], 64, '?');
        const std::size_t missing[] = {a, b, c};
        ASSERT_TRUE(code.recover(blocks, missing, 64));
        ASSERT_EQ(bytes.substr(0, 7 * 64), right.substr(0, 7 * 64));
        bytes = right;
      }
  const std::size_t too_many[] = {0, 1, 2, 3};
  EXPECT_FALSE(code.recover(blocks, too_many, 64));
}

TEST(Parity, CostsAboutThePercentagesAsked) {
  for (const unsigned percent : {1U, 3U, 10U, 50U, 90U}) {
    const ParityShape shape = parity_shape(32U << 20U, percent);
    EXPECT_LE(shape.data + shape.parity, 255);
    const double share = 100.0 * static_cast<double>(shape.file_bytes()) / (32U << 20U);
    EXPECT_GE(share, percent);
    EXPECT_LE(share, percent + 1.7) << percent;
  }
  for (const std::uint64_t bytes : {64UL, 4096UL, 4097UL, (1UL << 20U) - 1, 1UL << 20U, kMaxPackBytes}) {
    const ParityShape shape = parity_shape(bytes, 3);
    EXPECT_GE(std::uint64_t{shape.data} * shape.stripes, shape.blocks());
    EXPECT_GE(shape.parity, 2);
  }
}

TEST(Parity, BringsBackRunsTailsAndScatteredBytes) {
  const std::string pack = noise((3U << 20U) + 777, 2);
  const std::string parity = parity_of(pack, 3);
  const auto run = static_cast<std::size_t>(pack.size() * 2 / 100);
  for (const std::size_t at : {std::size_t{0}, std::size_t{100'001}, pack.size() - run}) {
    std::string damaged = pack;
    damaged.replace(at, run, std::string(run, '\0'));
    EXPECT_EQ(repaired(damaged, parity), std::pair(pack, std::uint64_t{0})) << at;
  }
  EXPECT_EQ(repaired(pack.substr(0, pack.size() - run), parity).first, pack);
  EXPECT_EQ(repaired(pack + "what somebody appended", parity).first, pack);
  std::string speckled = pack;
  for (const std::size_t at : {1UL, 1'000'000UL, 2'500'000UL})
    speckled[at] = static_cast<char>(speckled[at] ^ 4);
  EXPECT_EQ(repaired(speckled, parity).first, pack);
}

TEST(Parity, SaysWhatItCannotBringBack) {
  const std::string pack = noise(1U << 20U, 3);
  const std::string parity = parity_of(pack, 3);
  std::string damaged = pack;
  damaged.replace(0, damaged.size() / 2, std::string(damaged.size() / 2, 'x'));
  EXPECT_GT(repaired(damaged, parity).second, 0U);
}

TEST(Parity, DamagedParityIsCountedAndStillHelpsWhereItCan) {
  const std::string pack = noise(200'000, 4);
  const std::string parity = parity_of(pack, 20);
  std::string damaged = pack;
  damaged[5000] = static_cast<char>(damaged[5000] ^ 1);
  for (std::size_t at = 0; at < parity.size(); at += 997) {
    std::string wrong = parity;
    wrong[at] = static_cast<char>(wrong[at] ^ 64);
    StringReader reader(wrong);
    EXPECT_EQ(count_damaged_parity(reader, kRef), 1U) << at;
    EXPECT_EQ(repaired(damaged, wrong).first, pack) << at;
  }
  for (const std::string& wrong : {std::string(), parity.substr(0, 40), std::string(parity.size(), '\0')}) {
    StringReader reader(wrong);
    EXPECT_THROW((void)count_damaged_parity(reader, kRef), Error);
  }
}

TEST(Parity, OfAnotherPackOrStoreIsNotBelieved) {
  const std::string parity = parity_of(noise(9000, 5), 3);
  const std::string table = parity.substr(0, parity_shape(9000, 3).table_bytes());
  EXPECT_EQ(parse_parity_table(table, kRef).shape, parity_shape(9000, 3));
  EXPECT_EQ(write_parity_table(parse_parity_table(table, kRef)), table);
  PackRef other = kRef;
  other.number ^= 1U;
  EXPECT_THROW((void)parse_parity_table(table, other), Error);
  other = kRef;
  other.store.bytes[15] = 1;
  EXPECT_THROW((void)parse_parity_table(table, other), Error);
}

}  // namespace
}  // namespace bk::store
