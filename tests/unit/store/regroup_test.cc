// Sources of which the newest snapshot reads a little of very many groups.
#include "server/store/regroup.h"

#include "tests/unit/store/store_fixture.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <set>
#include <sstream>

namespace bk::store {
namespace {

using namespace test;  // NOLINT: builders

using Files = std::map<std::string, std::string>;

Files read_back(Store& store, const SnapshotRecord& record) {
  Files out;
  DirectoryReader reader(store, record.root.node);
  while (const auto entry = reader.next()) out[entry->name] = content_of(store, *entry);
  return out;
}

// One file of each version is still there in the newest snapshot, a megabyte beside each is not.
class ScatteredTest : public StoreTest {
 protected:
  static constexpr int kVersions = 30;
  void SetUp() override {
    StoreTest::SetUp();
    store_ = open();
  }
  void fill(std::size_t changing) {
    for (int i = 0; i < kVersions; ++i) {
      files_["f" + std::to_string(i)] = noise(9000, static_cast<std::uint64_t>(1000 + i));
      files_["changing"] = noise(changing, static_cast<std::uint64_t>(2000 + i));
      versions_.push_back(files_);
      records_.push_back(commit(*store_, "web1", files_));
    }
    seal_all(*store_);
  }
  [[nodiscard]] Scatter scatter() {
    return ScatteredSource(dynamic_cast<StoreImpl&>(*store_), records_.back()).measure();
  }
  [[nodiscard]] std::uint64_t stored() const { return bytes_in(home() + "/store"); }
  void expect_all_there() {
    const auto again = open();
    for (std::size_t i = 0; i < records_.size(); ++i) EXPECT_EQ(read_back(*again, records_[i]), versions_[i]);
    EXPECT_EQ(problems(*again), std::vector<std::string>{});
  }
  std::unique_ptr<Store> store_;
  Files files_;
  std::vector<Files> versions_;
  std::vector<SnapshotRecord> records_;
};

TEST_F(ScatteredTest, WhatTheNewestSnapshotReadsIsPutTogetherWhileABackupIsAtWork) {
  fill(1U << 20U);
  EXPECT_TRUE(scatter().much());
  EXPECT_GE(scatter().groups, 29U);
  EXPECT_GE(scatter().thin, 28U);
  const std::uint64_t before = stored();
  auto other = open();
  const auto writer = other->writer("web1", "wiki", "rsync", "/srv");
  EXPECT_TRUE(writer->contains(chunk_id(ObjectKind::Data, files_["f3"])));
  const CleanTotals totals = store_->clean({});
  EXPECT_EQ(totals.regrouped, 1U);
  EXPECT_EQ(totals.packs_damaged, 0U);
  const SnapshotRecord late = writer->commit(snapshot_of(*writer, files_));
  seal_all(*store_);
  EXPECT_FALSE(scatter().much());
  EXPECT_LE(scatter().groups, 5U);
  EXPECT_LT(stored(), before + before / 50) << "nothing stands twice";
  expect_all_there();
  EXPECT_EQ(read_back(*open(), late), files_);
  CleanOptions all;
  all.regroup_all = true;
  EXPECT_EQ(store_->clean(all).regrouped, 0U) << "once is enough";
}

TEST_F(StoreTest, ASourceIsLookedAtAfterEightSnapshots) {
  LookedAt looked_at(home() + "/looked-at");
  EXPECT_FALSE(looked_at.due("a", 1)) << "what was written once cannot be scattered";
  EXPECT_TRUE(looked_at.due("a", 8));
  looked_at.note("a", 8);
  looked_at.save();
  const LookedAt again(home() + "/looked-at");
  EXPECT_FALSE(again.due("a", 15));
  EXPECT_TRUE(again.due("a", 16));
  EXPECT_TRUE(again.due("a", 7)) << "it began anew";
  EXPECT_FALSE(again.due("b", 7));
}

TEST_F(ScatteredTest, NoMoreIsRewrittenThanAllowed) {
  fill(40000);
  CleanOptions options;
  options.regroup_bytes = 1U << 20U;
  EXPECT_EQ(store_->clean(options).packs_rewritten, 0U) << "a pack is larger";
  options.regroup_bytes = 0;
  EXPECT_EQ(store_->clean(options).regrouped, 0U);
  options.regroup_bytes = 1U << 30U;
  EXPECT_EQ(store_->clean(options).regrouped, 1U) << "still due";
  EXPECT_EQ(store_->clean(options).regrouped, 0U);
  expect_all_there();
}

// Killed at each of its steps, the first and the last time it comes there.
TEST_F(ScatteredTest, AKillAtAnyStepLosesNothingAndTheNextCleanGoesOn) {
  fill(20000);
  store_.reset();
  const std::string log = home() + "/steps";
  const auto copy = [&](const std::string& from, const std::string& to) {
    remove_tree(home() + "/" + to);
    ASSERT_EQ(::system(("cp -a '" + home() + "/" + from + "' '" + home() + "/" + to + "'").c_str()), 0);
  };
  const auto clean_with = [&](const char* variable, const std::string& value) {
    const pid_t child = ::fork();
    if (child != 0) {
      int status = 0;
      EXPECT_EQ(::waitpid(child, &status, 0), child);
      return status;
    }
    (void)::setenv(variable, value.c_str(), 1);
    try {
      ::_exit(open()->clean({}).regrouped == 1 ? 0 : 1);
    } catch (const std::exception& error) {
      std::fprintf(stderr, "%s\n", error.what());
    }
    ::_exit(2);
  };
  copy("store", "store.before");
  copy("index", "index.before");
  ASSERT_EQ(clean_with("BACKLINE_CRASH_LOG", log), 0);
  std::map<std::string, int> passes;
  std::istringstream lines(read_file(log));
  for (std::string step; std::getline(lines, step);) ++passes[step];
  EXPECT_GE(passes.size(), 5U);
  for (const auto& [step, count] : passes) {
    for (const int pass : std::set<int>{1, count}) {
      copy("store.before", "store");
      copy("index.before", "index");
      const int status = clean_with("BACKLINE_CRASH_AT", step + ":" + std::to_string(pass));
      EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) << step;
      expect_all_there();
      store_ = open();
      (void)store_->clean({});
      EXPECT_FALSE(scatter().much()) << step;
      store_.reset();
      expect_all_there();
    }
  }
}

}  // namespace
}  // namespace bk::store
