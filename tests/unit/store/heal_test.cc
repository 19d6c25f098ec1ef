#include "common/storage/folder_storage.h"
#include "server/store/layout.h"
#include "tests/unit/store/store_fixture.h"

#include <fcntl.h>
#include <unistd.h>

namespace bk::store {
namespace {

using namespace test;  // NOLINT: builders

void overwrite(const std::string& path, const std::string& bytes) {
  const Fd fd = open_file(path, O_WRONLY | O_TRUNC | O_CREAT, 0600);
  write_all(fd.get(), bytes);
}

using What = HealEvent::What;

// What heal() reports, in order.
std::vector<What> heal(Store& store, const std::string& copy = {}) {
  std::vector<What> out;
  (void)store.heal(copy, [&](const HealEvent& event) { out.push_back(event.what); }, {});
  return out;
}

// A store with one finished pack.
class HealTest : public StoreTest {
 protected:
  void SetUp() override {
    StoreTest::SetUp();
    std::map<std::string, std::string> files;
    for (int i = 0; i < 34; ++i)
      files[std::to_string(i)] = noise(1U << 20U, 100 + static_cast<std::uint64_t>(i));
    const auto store = open();
    (void)commit(*store, "web1", files);
    for (const std::string& path : files_in(home() + "/store/packs"))
      (path.ends_with(".parity") ? parity_ : pack_) = path;
    whole_ = read_file(pack_, 1U << 30U);
  }
  void expect_whole() {
    EXPECT_EQ(read_file(pack_, 1U << 30U), whole_);
    EXPECT_EQ(problems(*open()), std::vector<std::string>{});
  }
  std::string pack_, parity_, whole_;
};

TEST_F(HealTest, AFinishedPackHasItsParity) {
  ASSERT_NE(parity_, "");
  EXPECT_LT(bytes_in(parity_.substr(0, parity_.rfind('/'))), whole_.size() * 105 / 100 + 1);
  EXPECT_EQ(heal(*open()), std::vector<What>{});
  expect_whole();
}

TEST_F(HealTest, DamageIsNoticedAndRepairedFromParity) {
  const std::size_t tail = whole_.size() / 50;
  std::string flipped = whole_, blank = whole_;
  flipped[whole_.size() / 3] = static_cast<char>(flipped[whole_.size() / 3] ^ 2);
  blank.replace(whole_.size() / 2, tail, std::string(tail, '\0'));
  for (const std::string& damaged :
       {flipped, blank, whole_.substr(0, whole_.size() - tail), whole_ + "more"}) {
    overwrite(pack_, damaged);
    EXPECT_NE(problems(*open()), std::vector<std::string>{});
    EXPECT_EQ(heal(*open()), std::vector<What>{What::PackRepaired});
    expect_whole();
  }
}

TEST_F(HealTest, WhatAKilledHealLeftGoesWithTheNextWriterOrHeal) {
  const std::string left = home() + "/store/journal/.tmp-0123456789abcdef";
  overwrite(left, "half a pack");
  (void)commit(*open(), "web1", {{"next", "x"}});
  EXPECT_FALSE(path_exists(left));
}

TEST_F(HealTest, MissingAndDamagedParityIsMadeAnew) {
  const std::string right = read_file(parity_, 1U << 30U);
  (void)::unlink(parity_.c_str());
  EXPECT_EQ(problems(*open()), std::vector<std::string>{});  // less safe, not damaged
  EXPECT_EQ(heal(*open()), std::vector<What>{What::ParityMade});
  EXPECT_EQ(read_file(parity_, 1U << 30U), right);
  std::string wrong = right;
  wrong[right.size() / 2] = static_cast<char>(wrong[right.size() / 2] ^ 1);
  overwrite(parity_, wrong);
  EXPECT_EQ(problems(*open()).size(), 1U);
  EXPECT_EQ(heal(*open()), std::vector<What>{What::ParityMade});
  EXPECT_EQ(read_file(parity_, 1U << 30U), right);
}

TEST_F(HealTest, ParityIsNeverMadeOfADamagedPack) {
  (void)::unlink(parity_.c_str());
  overwrite(pack_, whole_.substr(0, 1000) + "x" + whole_.substr(1001));
  EXPECT_EQ(heal(*open()), std::vector<What>{What::PackDamaged});
  EXPECT_FALSE(path_exists(parity_));
}

TEST_F(HealTest, WhatParityCannotBringBackComesFromAnotherCopy) {
  const std::string copy = home() + "/copy";
  ASSERT_EQ(::system(("cp -a " + home() + "/store " + copy).c_str()), 0);  // NOLINT: our own folder
  for (const bool missing : {false, true}) {
    if (missing)
      (void)::unlink(pack_.c_str());
    else
      overwrite(pack_, std::string(whole_.size(), 'x'));
    EXPECT_EQ(heal(*open()), std::vector<What>{What::PackDamaged});
    EXPECT_EQ(heal(*open(), copy), std::vector<What>{What::PackCopied});
    expect_whole();
  }
}

// A store with one journal that nobody owns, and a copy of it.
class HealJournalTest : public StoreTest {
 protected:
  void SetUp() override {
    StoreTest::SetUp();
    (void)commit(*open(), "web1", {{"a", noise(2U << 20U, 1)}, {"b", noise(2U << 20U, 2)}});
    for (const std::string& path : files_in(home() + "/store/journal")) journal_ = path;
    copy_ = home() + "/copy";
    ASSERT_EQ(::system(("cp -a " + home() + "/store " + copy_).c_str()), 0);  // NOLINT: our own folder
    std::string bytes = read_file(journal_, 1U << 30U);
    bytes.replace(bytes.size() / 4, bytes.size() / 2, noise(bytes.size() / 2, 3));
    overwrite(journal_, bytes);
  }
  void expect_whole() {
    EXPECT_EQ(problems(*open()), std::vector<std::string>{});
    EXPECT_EQ(heal(*open()), std::vector<What>{});
    (void)::system(("rm -rf " + home() + "/index").c_str());  // NOLINT: our own folder
    EXPECT_EQ(problems(*open()), std::vector<std::string>{});
  }
  std::string journal_, copy_;
};

TEST_F(HealJournalTest, WhatIsDamagedInAJournalComesFromAnotherCopy) {
  EXPECT_NE(problems(*open()), std::vector<std::string>{});
  EXPECT_EQ(heal(*open()), std::vector<What>{What::PackDamaged});
  EXPECT_EQ(heal(*open(), copy_), std::vector<What>{What::PackCopied});
  EXPECT_FALSE(path_exists(journal_));  // a pack now, with parity
  expect_whole();
}

TEST_F(HealJournalTest, WhatCameAfterTheCopyIsKept) {
  // The journal grew, then it was damaged before that.
  ASSERT_EQ(::system(("cp " + copy_ + "/journal/* " + home() + "/store/journal/").c_str()), 0);  // NOLINT
  const std::uint64_t copied = read_file(journal_, 1U << 30U).size();
  (void)commit(*open(), "web1", {{"a", noise(2U << 20U, 1)}, {"c", noise(1U << 20U, 4)}});
  std::string bytes = read_file(journal_, 1U << 30U);
  ASSERT_GT(bytes.size(), copied);
  bytes[copied / 2] = static_cast<char>(bytes[copied / 2] ^ 1);
  overwrite(journal_, bytes);
  EXPECT_EQ(heal(*open(), copy_), std::vector<What>{What::PackCopied});
  expect_whole();
}

TEST_F(HealJournalTest, ADamagedJournalThatBecameAPackIsHealedToo) {
  (void)commit(*open(), "web1", {{"c", "small"}});  // retires the damaged one
  EXPECT_FALSE(path_exists(journal_));
  EXPECT_EQ(heal(*open(), copy_), std::vector<What>{What::PackCopied});
  expect_whole();
}

TEST_F(HealJournalTest, AnIndexMadeWhileItWasDamagedLearnsWhatCameBack) {
  (void)::system(("rm -rf " + home() + "/index").c_str());  // NOLINT: our own folder
  EXPECT_NE(problems(*open()), std::vector<std::string>{});
  (void)commit(*open(), "web1", {{"c", "small"}});
  EXPECT_EQ(heal(*open(), copy_), std::vector<What>{What::PackCopied});
  expect_whole();
}

TEST_F(HealJournalTest, AnOlderCopyThatLacksTheStretchDoesNotHelp) {
  const std::string theirs = copy_ + "/journal/" + journal_.substr(journal_.rfind('/') + 1);
  overwrite(theirs, read_file(theirs, 1U << 30U).substr(0, 200));
  const std::string before = read_file(journal_, 1U << 30U);
  EXPECT_EQ(heal(*open(), copy_), std::vector<What>{What::PackDamaged});
  EXPECT_EQ(read_file(journal_, 1U << 30U), before);
}

TEST_F(HealTest, AnotherStoreIsNoCopy) {
  const auto store = open();
  (void)Store::open(home() + "/other", true);
  EXPECT_THROW((void)heal(*store, home() + "/other"), Error);
}

}  // namespace
}  // namespace bk::store
