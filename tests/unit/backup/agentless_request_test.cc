#include "server/backup/agentless.h"
#include "tests/support/temp_dir.h"

#include <gtest/gtest.h>

namespace bk::server {
namespace {

ClientRules nas() {
  ClientRules rules;
  rules.name = "nas";
  rules.agent = false;
  rules.paths = {"/photos", "/docs"};
  rules.every = std::chrono::hours(24);
  return rules;
}

constexpr Timestamp kNow{1'800'000'000, 0};
constexpr std::int64_t kDay = 86400;

TEST(PeriodicRequest, IsTheSameForAPeriodAndAnotherInTheNext) {
  int changes = 0;
  proto::Request before = periodic_request(nas(), "/photos", kNow);
  EXPECT_TRUE(proto::is_request_id(before.id));
  for (std::int64_t t = 0; t < 3 * kDay; t += 600) {
    const proto::Request now = periodic_request(nas(), "/photos", {kNow.seconds + t, 0});
    if (now.id != before.id) ++changes;
    before = now;
  }
  EXPECT_EQ(changes, 3);
}

TEST(PeriodicRequest, SurvivesItsOwnText) {
  const proto::Request request = periodic_request(nas(), "/a b/\xff", kNow);
  EXPECT_EQ(proto::parse_request(proto::write_request(request)), request);
}

TEST(PeriodicRequest, PathsAndClientsBeginTheirPeriodsAtDifferentMoments) {
  const auto begins = [](const ClientRules& rules, const std::string& path) {
    std::int64_t low = 0;
    const std::string first = periodic_request(rules, path, kNow).id;
    while (periodic_request(rules, path, {kNow.seconds + low, 0}).id == first) low += 60;
    return low;
  };
  ClientRules other = nas();
  other.name = "nas2";
  EXPECT_NE(begins(nas(), "/photos"), begins(nas(), "/docs"));
  EXPECT_NE(begins(nas(), "/photos"), begins(other, "/photos"));
}

class Asking : public testing::Test {
 protected:
  std::size_t ask(const Selection& selection = {}, Timestamp now = kNow) {
    std::vector<std::string> problems;
    (void)ask_for_agentless(conf_, todo_.pending(problems), todo_, selection, now);
    return todo_.pending(problems).size();
  }
  // Everything that waits is done.
  void work_off() {
    std::vector<std::string> problems;
    for (const TodoList::Named& named : todo_.pending(problems)) {
      ASSERT_TRUE(todo_.claim(named.client, named.stem));
      todo_.finish(named.client, named.stem, named.item, {});
    }
  }
  test::TempDir dir_;
  TodoList todo_{dir_.file("TODO")};
  BacklineConf conf_{{{"nas", nas()}, {"web1", ClientRules{}}}};
};

TEST_F(Asking, EachPathIsQueuedOncePerPeriodWhateverBecameOfIt) {
  EXPECT_EQ(ask(), 2U);
  EXPECT_EQ(ask(), 2U);
  work_off();
  EXPECT_EQ(ask(), 0U);
  EXPECT_EQ(ask({}, {kNow.seconds + kDay, 0}), 2U);
}

TEST_F(Asking, OnceQueuesTheSelectedClientsPathsAgain) {
  (void)ask();
  work_off();
  EXPECT_EQ(ask(parse_selection("web1")), 0U);
  EXPECT_EQ(ask(parse_selection("nas:mysql")), 0U);
  EXPECT_EQ(ask(parse_selection("nas")), 2U);
  EXPECT_EQ(ask(parse_selection("nas")), 2U) << "what waits already is not queued twice";
}

}  // namespace
}  // namespace bk::server
