// The bytes of every message of the tree protocol, version 1, for ever.  BK_ACCEPT=1 rewrites them (and the
// fuzz seeds made from them) and skips.
#include "common/error/error.h"
#include "common/io/file.h"
#include "common/text/escape.h"
#include "proto/pull/frame.h"
#include "tests/support/pull_samples.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>

namespace bk::test {
namespace {

std::string golden_file(const std::string& name) {
  return std::string(BK_SOURCE) + "/tests/golden/pull/" + name + ".hex";
}
std::string seed_file(const std::string& fuzz, const std::string& name) {
  return std::string(BK_SOURCE) + "/tests/fuzz/corpus/" + fuzz + "/" + name;
}

void accept() {
  std::string stream;
  for (const PullSample& sample : pull_samples()) {
    replace_durably(golden_file(sample.name), hex_encode(sample.payload) + "\n", 0644);
    replace_durably(seed_file("pull_message_fuzz", sample.name),
                    std::string(1, static_cast<char>(sample.type)) + sample.payload, 0644);
    pull::append_frame(stream, sample.type, sample.payload);
  }
  replace_durably(seed_file("pull_frame_fuzz", "one-of-each"), stream, 0644);
}

TEST(PullGolden, EveryMessageKeepsItsBytes) {
  if (std::getenv("BK_ACCEPT") != nullptr) {
    accept();
    GTEST_SKIP() << "rewritten";
  }
  for (const PullSample& sample : pull_samples()) {
    EXPECT_EQ(hex_encode(sample.payload) + "\n", read_file(golden_file(sample.name))) << sample.name;
    EXPECT_EQ(read_file(seed_file("pull_message_fuzz", sample.name)).substr(1), sample.payload)
        << sample.name;
  }
}

// Golden bytes and a fuzz seed come from the samples: a message without one would have neither.
TEST(PullGolden, EveryTypeThatAFrameMayHaveIsASample) {
  const std::vector<PullSample> samples = pull_samples();
  for (unsigned type = 0; type < 256; ++type) {
    if (!pull::frame_limit(static_cast<std::uint8_t>(type))) continue;
    EXPECT_TRUE(std::any_of(samples.begin(), samples.end(), [&](const PullSample& sample) {
      return static_cast<unsigned>(sample.type) == type;
    })) << frame_name(static_cast<pull::FrameType>(type));
  }
}

TEST(PullGolden, EveryMessageSurvivesDecodingAndEncoding) {
  for (const PullSample& sample : pull_samples())
    EXPECT_EQ(recode(sample.type, sample.payload), sample.payload) << sample.name;
}

TEST(PullGolden, APageOfExtremesSurvivesDecodingAndEncoding) {
  constexpr std::int64_t kSeconds[] = {INT64_MIN, -1, 0, 1, INT64_MAX};
  constexpr std::uint64_t kNumbers[] = {0, 1, UINT64_MAX / 2, UINT64_MAX};
  constexpr std::uint32_t kNanoseconds[] = {0, 1, 999'999'999};
  std::vector<Entry> page;
  for (std::size_t i = 0; i < 1000; ++i) {
    Entry entry;
    entry.name = std::string(1, static_cast<char>('a' + i / 100)) + std::to_string(1000 + i);
    entry.mode = i % 2 == 0 ? 07777 : 0;
    entry.uid = i % 3 == 0 ? UINT32_MAX : 0;
    entry.mtime = {kSeconds[i % 5], kNanoseconds[i % 3]};
    entry.ctime = {kSeconds[i / 5 % 5], kNanoseconds[i / 3 % 3]};
    entry.device = kNumbers[i % 4];
    entry.inode = kNumbers[i / 4 % 4];
    entry.links = kNumbers[i / 16 % 4];
    entry.size = i % 7 == 0 ? INT64_MAX : 0;
    if (i % 11 == 0) {
      entry = {};
      entry.name = "z" + std::to_string(1000 + i);
      entry.type = EntryType::Directory;
    }
    page.push_back(std::move(entry));
  }
  std::sort(page.begin(), page.end(), [](const Entry& a, const Entry& b) { return a.name < b.name; });
  const std::string bytes = pull::encode_page(page);
  EXPECT_EQ(pull::decode_page(bytes), page);
  for (std::size_t cut = 0; cut < bytes.size(); cut += 97)
    EXPECT_THROW((void)pull::decode_page(bytes.substr(0, cut)), Error);
}

TEST(PullGolden, NoMessageSurvivesLosingOrGainingBytes) {
  for (const PullSample& sample : pull_samples()) {
    for (std::size_t size = 0; size < sample.payload.size(); ++size) {
      // A group's and a page's body may end anywhere: its own length is inside.
      if (sample.payload.empty()) continue;
      EXPECT_THROW((void)recode(sample.type, sample.payload.substr(0, size)), Error)
          << sample.name << " " << size;
    }
    EXPECT_THROW((void)recode(sample.type, sample.payload + "x"), Error) << sample.name;
  }
}

}  // namespace
}  // namespace bk::test
