#include "server/store/journal.h"
#include "server/store/store_impl.h"
#include "tests/unit/store/hooked_storage.h"
#include "tests/unit/store/store_fixture.h"

#include <fcntl.h>

namespace bk::store {
namespace {

using namespace test;  // NOLINT: builders

class CheckTest : public StoreTest {
 protected:
  [[nodiscard]] std::unique_ptr<Store> open_hooked() {
    return Store::open_on(hooked_, home() + "/store", true);
  }
  std::shared_ptr<Storage> memory_ = std::make_shared<MemoryStorage>();
  std::shared_ptr<HookedStorage> hooked_ = std::make_shared<HookedStorage>(memory_);
};

// Whatever listing it comes before: what it takes away was not lost.
TEST_F(CheckTest, ACleanDuringACheckMakesNoPackSeemLost) {
  bool cleaned = true;
  for (int moment = 1; cleaned; ++moment) {
    const auto memory = std::make_shared<MemoryStorage>();
    const auto hooked = std::make_shared<HookedStorage>(memory);
    const std::string folder = home() + "/store" + std::to_string(moment);
    const auto store = Store::open_on(hooked, folder, true);
    const std::string gone = commit(*store, "web1", {{"a", noise(50000, 1)}}).id;
    seal_all(*store);
    (void)commit(*store, "web1", {{"b", noise(50000, 2)}});
    seal_all(*store);
    store->mark_snapshots("web1", {MarkKind::Removal, {1783000200, 0}, "root", ""}, std::vector{gone});
    const auto other = Store::open_on(memory, folder);
    int listed = 0;
    cleaned = false;
    hooked->before_list = [&] {
      if (++listed != moment) return;
      cleaned = true;
      EXPECT_GT(other->clean({}).packs_removed, 0U);
    };
    EXPECT_EQ(problems(*store), std::vector<std::string>{}) << "clean before listing " << moment;
    hooked->before_list = nullptr;
    ASSERT_LT(moment, 100);
  }
}

TEST_F(CheckTest, AnIndexThatDoesNotKnowAllChunksOfAPackIsToldAndMadeAnew) {
  const auto store = open();
  const std::string content = noise(50000, 1);
  (void)commit(*store, "web1", {{"a", content}, {"b", noise(50000, 2)}});
  auto& impl = dynamic_cast<StoreImpl&>(*store);
  const std::uint64_t number = list_packs(impl.layout().journals()).at(0);
  const Key left_out = key_of(impl.id(), chunk_id(ObjectKind::Data, content));
  ASSERT_TRUE(Journal::seal(impl.layout(), {impl.id(), number}, [&](std::uint64_t sealed) {
    std::vector<IndexEntry> entries = impl.index().live().entries(sealed);
    std::erase_if(entries, [&](const IndexEntry& entry) { return entry.key == left_out; });
    RunSet(impl.layout().runs(), impl.id(), RunKind::Located)
        .add_located(std::move(entries), {{sealed, kWholePack}});
    return impl.index().retire(sealed);
  }));
  const auto fresh = open();
  EXPECT_THROW((void)fresh->read(ObjectKind::Data, chunk_id(ObjectKind::Data, content)), Error);
  const std::vector<std::string> found = problems(*fresh);
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found.at(0), "the index does not know 1 of the 3 chunks of " + shown_pack(number) +
                             "; `bkdb build` makes it anew");
  fresh->rebuild_index({}, true);
  EXPECT_EQ(problems(*fresh), std::vector<std::string>{});
  EXPECT_EQ(fresh->read(ObjectKind::Data, chunk_id(ObjectKind::Data, content)), content);
}

TEST_F(CheckTest, WhatIsNotedOfPacksThatAreGoneIsForgotten) {
  const auto store = open_hooked();
  (void)commit(*store, "web1", {{"a", noise(50000, 1)}});
  seal_all(*store);
  const std::string id(64, 'a');
  dynamic_cast<StoreImpl&>(*store).index().damage().note({1}, {{1, 0, 100}});
  store->note_suffering({id});
  EXPECT_TRUE(store->suffers(id));
  EXPECT_EQ(problems(*store), std::vector<std::string>{});
  EXPECT_EQ(dynamic_cast<StoreImpl&>(*store).index().damage().places().size(), 0U);
  EXPECT_FALSE(store->suffers(id));
}

TEST_F(CheckTest, AListOfVeryManyPlacesStaysReadable) {
  constexpr std::uint64_t kPlaces = 1500000;
  std::vector<DamagedPlace> places;
  for (std::uint64_t i = 0; i < kPlaces; ++i)
    places.push_back({UINT64_MAX - i % 3, i * 1000000, i * 1000000 + 5});
  const std::string path = home() + "/damaged";
  DamageList list(path), other(path);
  list.note({UINT64_MAX}, places);
  other.refresh();
  EXPECT_TRUE(other.covers(UINT64_MAX, 0));
  EXPECT_TRUE(other.covers(UINT64_MAX - (kPlaces - 1) % 3, (kPlaces - 1) * 1000000));
  const Fd fd = open_file(path, O_WRONLY);
  resize_file(fd.get(), 65U << 20U);  // nobody wrote that
  EXPECT_NO_THROW(other.refresh());
  EXPECT_TRUE(other.empty());
}

TEST_F(CheckTest, AChunkBehindABadSectorIsIoOrUnreadableAsTheReaderWants) {
  auto store = open_hooked();
  const std::string content = noise(50000, 1);
  (void)commit(*store, "web1", {{"a", content}});
  seal_all(*store);
  const ChunkId id = chunk_id(ObjectKind::Data, content);
  const std::vector<ListedObject> packs = memory_->list(Layout::kPackObjects, "", 10);
  for (const ListedObject& object : packs) hooked_->bad_sectors.insert(object.name);
  const auto kind = [&] {
    try {
      (void)open_hooked()->read(ObjectKind::Data, id);
    } catch (const Error& error) {
      return error.kind();
    }
    return Kind::Usage;
  };
  EXPECT_EQ(kind(), Kind::Io);
  const auto other = open_hooked();
  other->read_past_bad_sectors(true);
  EXPECT_THROW((void)other->read(ObjectKind::Data, id), Unreadable);
  EXPECT_THROW((void)other->read(ObjectKind::Data, chunk_id(ObjectKind::Data, "never stored")), Error);
  hooked_->bad_sectors.clear();
  EXPECT_EQ(other->read(ObjectKind::Data, id), content);
}

}  // namespace
}  // namespace bk::store
