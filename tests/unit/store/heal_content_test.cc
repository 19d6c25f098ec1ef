// What parity and a pack of the same number cannot bring back, chunk by chunk.
#include "common/crypt/key_file.h"
#include "server/store/layout.h"
#include "tests/unit/store/store_fixture.h"

#include <fcntl.h>
#include <unistd.h>

namespace bk::store {
namespace {

using namespace test;  // NOLINT: builders
using What = HealEvent::What;

void overwrite(const std::string& path, const std::string& bytes) {
  const Fd fd = open_file(path, O_WRONLY | O_TRUNC | O_CREAT, 0600);
  write_all(fd.get(), bytes);
}

std::vector<What> heal(Store& store, const std::string& copy = {}) {
  std::vector<What> out;
  (void)store.heal(copy, [&](const HealEvent& event) { out.push_back(event.what); }, {});
  return out;
}

// Names and sizes.
std::map<std::string, std::uint64_t> listing(const std::string& folder) {
  std::map<std::string, std::uint64_t> out;
  for (const std::string& path : files_in(folder)) out[path] = read_file(path, 1U << 30U).size();
  return out;
}

// A store with one finished pack and a second snapshot that needs half of it; the first one is removed.  Its
// copy was cleaned, so what it holds lies in other packs.
class HealContentTest : public StoreTest {
 protected:
  [[nodiscard]] virtual StoreSettings settings() const { return {}; }
  [[nodiscard]] std::unique_ptr<Store> open_store(const std::string& folder) {
    return Store::open(folder, true, {}, settings());
  }
  [[nodiscard]] std::unique_ptr<Store> own() { return open_store(home() + "/store"); }

  void SetUp() override {
    StoreTest::SetUp();
    std::map<std::string, std::string> files;
    for (int i = 0; i < 34; ++i)
      files[std::to_string(i)] = noise(1U << 20U, 100 + static_cast<std::uint64_t>(i));
    {
      const auto store = own();
      const std::string first = commit(*store, "web1", files).id;
      for (int i = 0; i < 17; ++i) files.erase(std::to_string(i));
      needed_ = files;
      second_ = commit(*store, "web1", files).id;
      store->mark_snapshots("web1", {}, std::vector<std::string>{first});
    }
    for (const std::string& path : files_in(home() + "/store/packs"))
      (path.ends_with(".parity") ? parity_ : pack_) = path;
    ASSERT_NE(pack_, "");
    ASSERT_EQ(::system(("cp -a " + home() + "/store " + copy()).c_str()), 0);  // NOLINT: our own folder
    CleanOptions options;
    options.rewrite_percent = 0;
    EXPECT_GE(open_store(copy())->clean(options).packs_removed, 1U);
    remove_tree(default_index(copy()));
  }
  [[nodiscard]] std::string copy() const { return home() + "/copy"; }
  void damage_everything() {
    overwrite(pack_, std::string(34U << 20U, 'x'));
    (void)::unlink(parity_.c_str());
  }
  void expect_whole() {
    const auto store = own();
    EXPECT_EQ(problems(*store), std::vector<std::string>{});
    for (const auto& [name, content] : needed_)
      EXPECT_EQ(store->read(ObjectKind::Data, chunk_id(ObjectKind::Data, content)), content) << name;
    EXPECT_EQ(heal(*store), std::vector<What>{});
  }
  std::map<std::string, std::string> needed_;
  std::string pack_, parity_, second_;
};

TEST_F(HealContentTest, WhatACopyHoldsInOtherPacksIsFoundThere) {
  damage_everything();
  const auto before = listing(copy());
  EXPECT_EQ(heal(*own(), copy()), (std::vector<What>{What::FileCopied, What::PackRepaired}));
  EXPECT_FALSE(path_exists(pack_));
  EXPECT_EQ(listing(copy()), before);  // nothing is written there
  EXPECT_FALSE(path_exists(home() + "/index/copy"));
  expect_whole();
}

TEST_F(HealContentTest, ALostPackOfWhichNoIndexKnowsIsNoticedToo) {
  (void)::unlink(pack_.c_str());
  (void)::unlink(parity_.c_str());
  remove_tree(home() + "/index");
  EXPECT_EQ(heal(*own(), copy()), std::vector<What>{What::FileCopied});
  expect_whole();
}

TEST_F(HealContentTest, WhatTheCopyLacksStaysMissingAndIsSaid) {
  damage_everything();
  std::string theirs;
  for (const std::string& path : files_in(copy())) theirs = path.ends_with(".pack") ? path : theirs;
  overwrite(theirs, read_file(theirs, 1U << 30U).substr(0, 5U << 20U));
  EXPECT_EQ(heal(*own(), copy()), (std::vector<What>{What::FileCopied, What::PackDamaged}));
  EXPECT_TRUE(path_exists(pack_));
  EXPECT_NE(problems(*own()), std::vector<std::string>{});
}

TEST_F(HealContentTest, ADamagedPackGoesWhenNothingNeedsWhatItLost) {
  std::string bytes = read_file(pack_, 1U << 30U);
  bytes[500000] = static_cast<char>(bytes[500000] ^ 1);  // of the first file, which was removed
  overwrite(pack_, bytes);
  (void)::unlink(parity_.c_str());
  EXPECT_EQ(heal(*own()), std::vector<What>{What::PackRepaired});
  EXPECT_FALSE(path_exists(pack_));
  expect_whole();
}

TEST_F(HealContentTest, ADamagedPackGoesWhenItsClientHasSentAgainWhatItLost) {
  damage_everything();
  EXPECT_EQ(heal(*own()), std::vector<What>{What::PackDamaged});
  (void)commit(*own(), "web1", needed_);
  EXPECT_EQ(heal(*own()), std::vector<What>{What::PackRepaired});
  expect_whole();
}

TEST_F(HealContentTest, NoPackGoesWhileASnapshotCannotBeRead) {
  std::string bytes = read_file(pack_, 1U << 30U);
  bytes[500000] = static_cast<char>(bytes[500000] ^ 1);
  overwrite(pack_, bytes);
  (void)::unlink(parity_.c_str());
  for (const std::string& path : files_in(home() + "/store/snapshots"))
    if (path.ends_with("2.snapshot")) overwrite(path, "damaged");
  EXPECT_EQ(heal(*own()), (std::vector<What>{What::FileDamaged, What::PackDamaged}));
  EXPECT_TRUE(path_exists(pack_));
}

class EncryptedHealContentTest : public HealContentTest {
 protected:
  void SetUp() override {
    key_ = ::testing::TempDir() + "/bk-heal-key-" + std::to_string(::getpid());
    (void)::unlink(key_.c_str());
    SystemRandom random;
    make_key_file(key_, new_key(random));
    HealContentTest::SetUp();
  }
  void TearDown() override {
    (void)::unlink(key_.c_str());
    HealContentTest::TearDown();
  }
  [[nodiscard]] StoreSettings settings() const override {
    StoreSettings out;
    out.key_file = key_;
    return out;
  }
  std::string key_;
};

TEST_F(EncryptedHealContentTest, TheSameWithAKey) {
  damage_everything();
  EXPECT_EQ(heal(*own(), copy()), (std::vector<What>{What::FileCopied, What::PackRepaired}));
  expect_whole();
}

}  // namespace
}  // namespace bk::store
