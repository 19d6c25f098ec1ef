// The server's disk stopped right after a push (its power was cut): what was only reported is lost, what was
// acknowledged is not.
#include "common/process/process.h"
#include "tests/fault/control_rig_server.h"
#include "tests/support/disk_image.h"

#include <gtest/gtest.h>

namespace bk {
namespace {

using proto::Outcome;

class ControlDisk : public testing::Test {
 protected:
  void SetUp() override {
    if (!image_.usable()) GTEST_SKIP() << image_.why();
    home_.emplace(image_.path() + "/server");
    rig_.emplace(home_->repository());
    for (int i = 0; i < 20; ++i) rig_->ledger.ask("/srv/data/" + std::to_string(i));
  }
  void all_is_taken_once() {
    for (int i = 0; i < 3; ++i) {
      home_->ingest();
      (void)rig_->round();
    }
    std::multiset<std::string> all;
    for (const proto::Request& request : rig_->ledger.requests) {
      all.insert(request.id);
      EXPECT_EQ(rig_->ledger.outcomes[request.id], Outcome::Taken);
    }
    EXPECT_EQ(home_->todo(), all);
  }

  test::TempDir dir_;
  test::DiskImage image_{dir_.file("image"), dir_.file("disk"), 64};
  std::optional<test::ServerHome> home_;
  std::optional<test::ControlRig> rig_;
};

TEST_F(ControlDisk, StoppedRightAfterThePushLosesNothing) {
  EXPECT_EQ(rig_->round().pushed, 20U);
  EXPECT_TRUE(rig_->ledger.outcomes.empty());
  image_.power_cut();
  all_is_taken_once();
}

TEST_F(ControlDisk, StoppedRightAfterThePushWithoutGitsFsyncLosesNothing) {
  rig_->far().set_config("core.fsync", "none");  // as git is out of the box, or worse
  EXPECT_EQ(rig_->round().pushed, 20U);
  image_.power_cut();
  all_is_taken_once();
}

TEST_F(ControlDisk, StoppedRightAfterTakenWasReadKeepsEveryRequest) {
  (void)rig_->round();
  home_->ingest();
  image_.power_cut();
  std::multiset<std::string> all;
  for (const proto::Request& request : rig_->ledger.requests) all.insert(request.id);
  EXPECT_EQ(home_->todo(), all) << "I1: durable before the receipt";
  all_is_taken_once();
}

}  // namespace
}  // namespace bk
