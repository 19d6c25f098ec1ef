#include "server/store/run.h"

#include "common/error/error.h"
#include "common/io/file.h"
#include "server/store/layout.h"
#include "server/store/run_set.h"
#include "server/store/run_writer.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/store/hooked_calls.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace bk::store {
namespace {

using test::bad_disk;

const StoreId kStore{{1, 2, 3}};

Key random_key(std::uint64_t seed) {
  Key key;
  const Digest digest = Sha256::of(std::to_string(seed));
  std::copy_n(digest.bytes.begin(), key.bytes.size(), key.bytes.begin());
  return key;
}

class RunTest : public testing::Test {
 protected:
  [[nodiscard]] RunSet set(RunKind kind = RunKind::Located) const { return {dir_.path(), kStore, kind}; }
  bk::test::TempDir dir_;
};

// Entries of some packs, with every width of offset and position.
std::vector<IndexEntry> entries_of(std::size_t count, std::uint64_t seed, std::uint64_t packs) {
  std::vector<IndexEntry> out;
  for (std::size_t i = 0; i < count; ++i) {
    const ObjectKind kind = i % 7 == 0 ? ObjectKind::Tree : i % 5 == 0 ? ObjectKind::List : ObjectKind::Data;
    out.push_back(
        {random_key(seed + i), Location{1000 + (i * 7) % packs, static_cast<std::uint32_t>(i * 2654435761U),
                                        static_cast<std::uint16_t>(i * 40503U), kind}});
  }
  return out;
}

std::vector<Coverage> packs_of(std::uint64_t packs) {
  std::vector<Coverage> out;
  for (std::uint64_t i = packs; i-- > 0;) out.push_back({1000 + i, kWholePack});
  return out;
}

std::vector<Location> found(const RunSet& runs, const Key& key) {
  std::vector<Location> out;
  runs.find(key, [&](const store::Run& run, std::uint64_t i) { out.push_back(run.location(i)); });
  std::sort(out.begin(), out.end());
  return out;
}

TEST_F(RunTest, EveryRecordIsFoundWithItsLocationWhateverTheSize) {
  for (const std::size_t count : {1U, 2U, 63U, 64U, 65U, 1000U, 30000U}) {
    for (const std::uint64_t packs : {1U, 2U, 300U}) {
      remove_tree(dir_.path());
      ensure_directory(dir_.path());
      const std::vector<IndexEntry> entries = entries_of(count, 5, packs);
      set().add_located(entries, packs_of(packs));
      RunSet runs = set();
      runs.reload();
      ASSERT_EQ(runs.runs().size(), 1U);
      ASSERT_EQ(runs.runs()[0]->size(), count);
      EXPECT_TRUE(runs.runs()[0]->intact());
      for (const IndexEntry& entry : entries)
        ASSERT_EQ(found(runs, entry.key), std::vector<Location>{entry.where});
      for (std::uint64_t i = 0; i < 1000; ++i) ASSERT_FALSE(runs.contains(random_key(1'000'000 + i)));
    }
  }
}

TEST_F(RunTest, KeysAtTheEndsOfTheirRangeAreFound) {
  std::vector<Key> keys(4);
  keys[1].bytes.fill(0xff);
  keys[2].bytes[15] = 1;
  keys[3].bytes.fill(0xff);
  keys[3].bytes[15] = 0xfe;
  for (std::uint64_t i = 0; i < 5000; ++i) keys.push_back(random_key(i));
  RunSet runs = set(RunKind::Keys);
  runs.add_keys(keys);
  runs.add_keys({});
  for (const Key& key : keys) EXPECT_TRUE(runs.contains(key));
  Key other;
  other.bytes[15] = 2;
  EXPECT_FALSE(runs.contains(other));
}

TEST_F(RunTest, KeysThatDifferOnlyAtTheirEndsAreToldApart) {
  std::vector<Key> keys;
  for (unsigned i = 0; i < 3000; ++i) {
    Key key = random_key(7);
    key.bytes[14] = static_cast<std::uint8_t>(i >> 8U);
    key.bytes[15] = static_cast<std::uint8_t>(i);
    keys.push_back(key);
  }
  Key absent = keys.back();
  absent.bytes[13] ^= 1U;
  RunSet runs = set(RunKind::Keys);
  runs.add_keys(keys);
  for (const Key& key : keys) EXPECT_TRUE(runs.contains(key));
  EXPECT_FALSE(runs.contains(absent));
}

TEST_F(RunTest, ManyLookUpsAreTheSameAsOneByOne) {
  RunSet runs = set();
  runs.add_located(entries_of(5000, 1, 3), packs_of(3));
  runs.add_located(entries_of(3000, 4000, 9), packs_of(9));  // a thousand keys stand in both
  std::vector<Key> keys;
  for (std::uint64_t i = 0; i < 9000; ++i) keys.push_back(random_key(i * 7919 % 9000));
  for (const std::uint64_t held : {16U << 20U, 0U}) {
    RunSet asked(dir_.path(), kStore, RunKind::Located, held);
    asked.reload();
    std::vector<std::vector<Location>> many(keys.size());
    asked.find_many(keys, [&](std::size_t i, const store::Run& run, std::uint64_t record) {
      many[i].push_back(run.location(record));
    });
    for (std::size_t i = 0; i < keys.size(); ++i) {
      std::sort(many[i].begin(), many[i].end());
      ASSERT_EQ(many[i], found(runs, keys[i])) << i;
    }
  }
}

TEST_F(RunTest, AMergeKeepsEverythingOnceAndForgetsNoPack) {
  RunSet runs = set();
  std::vector<IndexEntry> all;
  for (std::uint64_t r = 0; r < 8; ++r) {
    const std::vector<IndexEntry> part = entries_of(2000, r * 1500, r + 1);  // neighbours share 500 keys
    all.insert(all.end(), part.begin(), part.end());
    runs.add_located(part, packs_of(r + 1));
  }
  runs.merge();
  ASSERT_EQ(runs.runs().size(), 1U);
  EXPECT_EQ(list_directory(dir_.path()).size(), 1U);
  std::sort(all.begin(), all.end());
  all.erase(std::unique(all.begin(), all.end()), all.end());
  RunCursor cursor(*runs.runs()[0]);
  for (const IndexEntry& entry : all) {
    ASSERT_TRUE(cursor.next());
    ASSERT_EQ(cursor.key(), entry.key);
    ASSERT_EQ(cursor.location(), entry.where);
  }
  EXPECT_FALSE(cursor.next());
  for (std::uint64_t pack = 0; pack < 8; ++pack) EXPECT_EQ(runs.covered(1000 + pack), kWholePack);
  EXPECT_EQ(runs.covered(999), 0U);
  EXPECT_EQ(runs.covered(1008), 0U);
}

TEST_F(RunTest, AMergeThatWouldTakeTooLongIsLeftForLater) {
  RunSet runs = set(RunKind::Keys);
  for (std::uint64_t r = 0; r < 8; ++r) {
    std::vector<Key> keys;
    for (std::uint64_t i = 0; i < 100; ++i) keys.push_back(random_key(r * 100 + i));
    runs.add_keys(std::move(keys));
  }
  runs.merge(799);
  EXPECT_EQ(runs.runs().size(), 8U);
  runs.merge(800);
  EXPECT_EQ(runs.runs().size(), 1U);
}

TEST_F(RunTest, OneThatCannotBeReadIsTakenUpGivenUpOnceAndNotMerged) {
  std::vector<std::string> given_up;
  for (const std::uint64_t held : {16U << 20U, 0U}) {
    remove_tree(dir_.path());
    ensure_directory(dir_.path());
    given_up.clear();
    RunSet runs(dir_.path(), kStore, RunKind::Keys, held, [&](const std::string& path) {
      given_up.push_back(path);
      return ", said who gave it up";
    });
    for (std::uint64_t r = 0; r < 8; ++r) runs.add_keys({random_key(r), random_key(100 + r)});
    const std::string path = runs.runs()[0]->path();
    bad_disk.damage(path, kRunHeaderBytes, UINT64_MAX);
    runs.reload();
    runs.merge();
    EXPECT_EQ(runs.runs().size(), 8U);
    try {
      (void)runs.contains(random_key(0));
      ADD_FAILURE() << "it cannot be read";
    } catch (const UnreadableRun& error) {
      EXPECT_EQ(error.kind(), Kind::Io);
      EXPECT_NE(std::string(error.what()).find(path + "\", said who gave it up: "), std::string::npos)
          << error.what();
    }
    bad_disk.good();
    EXPECT_EQ(given_up, std::vector<std::string>{path});
    EXPECT_TRUE(runs.contains(random_key(0)));
    runs.merge();
    EXPECT_EQ(runs.runs().size(), 1U);
  }
}

TEST_F(RunTest, TheFilterAnswersForMostKeysThatAreNotThere) {
  RunSet runs = set(RunKind::Keys);
  std::vector<Key> keys;
  for (std::uint64_t i = 0; i < 20000; ++i) keys.push_back(random_key(i));
  runs.add_keys(keys);
  std::size_t passed = 0;
  for (std::uint64_t i = 0; i < 20000; ++i) {
    const store::Run::Range bucket = runs.runs()[0]->bucket(random_key(1'000'000 + i));
    passed += bucket.first < bucket.second ? 1 : 0;
  }
  EXPECT_LT(passed, 20000U * 14 / 100);
}

TEST_F(RunTest, DamageIsNoticedWhenItIsOpenedOrChecked) {
  set().add_located(entries_of(300, 5, 3), packs_of(3));
  const std::string path = dir_.path() + "/" + list_directory(dir_.path()).at(0);
  const std::string whole = read_file(path);
  for (std::size_t i = 0; i < whole.size(); i += i < 64 ? 1 : 37) {
    std::string damaged = whole;
    damaged[i] = static_cast<char>(damaged[i] ^ 0x10);
    replace_durably(path, damaged);
    try {
      const store::Run run(path, kStore, RunKind::Located);
      EXPECT_FALSE(run.intact()) << i;
      for (std::uint64_t k = 0; k < 300; ++k) {
        const auto [begin, end] = run.find(random_key(5 + k));
        for (std::uint64_t r = begin; r < end; ++r) (void)run.location(r);
      }
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), Kind::Corrupt) << i;
    }
  }
  replace_durably(path, std::string_view(whole).substr(0, whole.size() - 1));
  EXPECT_THROW(store::Run(path, kStore, RunKind::Located), Error);
  replace_durably(path, whole);
  EXPECT_THROW(store::Run(path, kStore, RunKind::Keys), Error);
  EXPECT_THROW(store::Run(path, StoreId{{9}}, RunKind::Located), Error);
}

}  // namespace
}  // namespace bk::store
