#include "server/store/store_impl.h"
#include "tests/unit/store/store_fixture.h"

#include <algorithm>

namespace bk::store {
namespace {

using namespace test;  // NOLINT: builders

class SnapshotMarkTest : public StoreTest {
 protected:
  void fill(int count) {
    for (int i = 0; i < count; ++i)
      ids_.push_back(commit(*store_, "web1", {{"a", noise(2000, static_cast<std::uint64_t>(i + 1))}}).id);
  }
  void mark(MarkKind kind, std::vector<std::size_t> which) {
    std::vector<std::string> ids;
    for (const std::size_t at : which) ids.push_back(ids_.at(at));
    store_->mark_snapshots("web1", {kind, {1783000200, 0}, "root", "why not"}, ids);
  }
  [[nodiscard]] std::vector<std::string> left(Store& store) const {
    std::vector<std::string> out;
    for (const SnapshotRecord& record : store.snapshots()) out.push_back(record.id);
    return out;
  }
  [[nodiscard]] std::string folder() const { return home() + "/store/snapshots/web1"; }
  [[nodiscard]] SnapshotLog log() {
    auto& store = dynamic_cast<StoreImpl&>(*store_);
    return {store.layout(), store.id(), "web1"};
  }
  static Kind kind_of(const std::function<void()>& body) {
    try {
      body();
    } catch (const Error& error) {
      return error.kind();
    }
    return Kind::Usage;
  }

  std::unique_ptr<Store> store_ = nullptr;
  std::vector<std::string> ids_;
  void SetUp() override {
    StoreTest::SetUp();
    store_ = open();
  }
};

TEST_F(SnapshotMarkTest, ARemovedSnapshotCountsNoLonger) {
  fill(4);
  mark(MarkKind::Removal, {0, 3});
  EXPECT_EQ(left(*store_), (std::vector{ids_[1], ids_[2]}));
  EXPECT_EQ(store_->newest("web1", "wiki", "rsync", "/srv")->id, ids_[2]);
  EXPECT_EQ(left(*open()), left(*store_));
  EXPECT_EQ(problems(*store_), std::vector<std::string>{});
  EXPECT_EQ(kind_of([&] { mark(MarkKind::Removal, {0}); }), Kind::NotFound);
  EXPECT_EQ(commit(*store_, "web1", {{"b", "b"}}).sequence, 5U);
}

TEST_F(SnapshotMarkTest, AHeldSnapshotCannotBeRemovedUntilItIsReleased) {
  fill(3);
  mark(MarkKind::Hold, {1});
  EXPECT_EQ(kind_of([&] { mark(MarkKind::Removal, {0, 1}); }), Kind::Refused);
  EXPECT_EQ(left(*store_).size(), 3U) << "all or none";
  const auto holds = store_->holds("web1");
  ASSERT_EQ(holds.size(), 1U);
  EXPECT_EQ(holds.at(ids_[1]).reason, "why not");
  EXPECT_EQ(holds.at(ids_[1]).by, "root");
  EXPECT_EQ(holds.at(ids_[1]).sequence, 2U);
  mark(MarkKind::Release, {1});
  EXPECT_TRUE(store_->holds("web1").empty());
  mark(MarkKind::Removal, {0, 1});
  EXPECT_EQ(left(*store_), std::vector{ids_[2]});
}

TEST_F(SnapshotMarkTest, ALostJournalIsMadeAnewWithRemovalsAndHolds) {
  fill(5);
  mark(MarkKind::Hold, {4});
  mark(MarkKind::Removal, {0, 2, 3});
  const std::string journal = read_file(folder() + "/journal");
  log().forget_removed();
  EXPECT_FALSE(path_exists(folder() + "/00000000000000000001.snapshot"));
  remove_durably(folder() + "/journal");
  store_ = open();
  EXPECT_EQ(read_file(folder() + "/journal"), journal);
  EXPECT_EQ(left(*store_), (std::vector{ids_[1], ids_[4]}));
  EXPECT_EQ(store_->holds("web1").count(ids_[4]), 1U);
  EXPECT_EQ(problems(*store_), std::vector<std::string>{});
}

TEST_F(SnapshotMarkTest, AnInterruptedRemovalIsTakenUpByTheNextOpening) {
  fill(3);
  const std::string before = read_file(folder() + "/journal");
  mark(MarkKind::Removal, {0, 1});
  const std::string after = read_file(folder() + "/journal");
  for (const std::size_t torn : {std::size_t{0}, std::size_t{50}, std::size_t{193}, std::size_t{250}}) {
    replace_durably(folder() + "/journal", after.substr(0, before.size() + torn));
    store_ = open();
    EXPECT_EQ(left(*store_), std::vector{ids_[2]}) << torn;
    EXPECT_EQ(read_file(folder() + "/journal"), after) << torn;
  }
}

TEST_F(SnapshotMarkTest, ADamagedOrMissingMarkIsReported) {
  fill(2);
  mark(MarkKind::Hold, {0});
  const std::string path = folder() + "/00000000000000000003.hold";
  const std::string text = read_file(path);
  std::string flipped = text;
  flipped[40] = static_cast<char>(flipped[40] ^ 1);
  replace_durably(path, flipped);
  EXPECT_EQ(problems(*store_).size(), 1U);
  EXPECT_EQ(kind_of([&] { (void)store_->holds("web1"); }), Kind::Corrupt);
  EXPECT_EQ(kind_of([&] { mark(MarkKind::Removal, {0}); }), Kind::Refused) << "the line alone holds it";
  remove_durably(path);
  EXPECT_EQ(problems(*store_).size(), 1U);
}

}  // namespace
}  // namespace bk::store
