#include "server/backup/ingest_pool.h"

#include "common/error/error.h"
#include "common/io/file.h"
#include "server/backup/not_taken.h"
#include "tests/support/temp_dir.h"

#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <thread>

namespace bk::server {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

// Clients whose names begin with "hang" are never done; "fail" ends with 75.
class Crowd {
 public:
  explicit Crowd(IngestPool::Limits limits)
      : pool([this](const std::string& client) { return begin(client); }, limits) {}

  // Until this one ended, at most some seconds.
  bool ends(const std::string& client) {
    const auto end = steady_clock::now() + std::chrono::seconds(20);
    while (steady_clock::now() < end) {
      for (const IngestPool::Ended& one : pool.look()) ended.push_back(one);
      if (find(client) != nullptr) return true;
      std::this_thread::sleep_for(milliseconds(2));
    }
    return false;
  }
  const IngestPool::Ended* find(const std::string& client) const {
    const auto at = std::find_if(ended.begin(), ended.end(),
                                 [&](const IngestPool::Ended& one) { return one.client == client; });
    return at == ended.end() ? nullptr : &*at;
  }

  std::vector<std::string> begun;
  std::vector<pid_t> pids;
  std::vector<IngestPool::Ended> ended;
  IngestPool pool;

 private:
  Child begin(const std::string& client) {
    begun.push_back(client);
    Command command;
    command.argv = {"sh", "-c",
                    client.starts_with("hang")   ? "exec sleep 1000"
                    : client.starts_with("fail") ? "exit 75"
                                                 : ":"};
    Child child = start(command);
    pids.push_back(child.pid());
    return child;
  }
};

IngestPool::Limits limits(std::size_t at_once, std::size_t most, milliseconds moment, milliseconds longest) {
  return {at_once, most, moment, longest};
}

TEST(IngestPool, OneThatHangsHoldsUpNobody) {
  Crowd crowd(limits(1, 8, milliseconds(20), std::chrono::hours(1)));
  crowd.pool.add({"hang1", "a", "hang2", "fail", "b"});
  ASSERT_TRUE(crowd.ends("a") && crowd.ends("b") && crowd.ends("fail"));
  EXPECT_EQ(crowd.begun, (std::vector<std::string>{"hang1", "a", "hang2", "fail", "b"}));
  EXPECT_EQ(crowd.find("a")->status, 0);
  EXPECT_EQ(crowd.find("fail")->status, 75);
  EXPECT_FALSE(crowd.pool.idle());
  crowd.pool.stop();
  EXPECT_TRUE(crowd.pool.idle());
  EXPECT_NE(::kill(crowd.pids[0], 0), 0) << "nothing is left behind";
}

TEST(IngestPool, NoMoreAtOnceThanIsAllowedAndTheyEndInTime) {
  Crowd crowd(limits(2, 3, milliseconds(10), milliseconds(300)));
  crowd.pool.add({"hang1", "hang2", "hang3", "hang4", "a"});
  (void)crowd.pool.look();
  EXPECT_EQ(crowd.begun.size(), 2U) << "within their first moment";
  std::this_thread::sleep_for(milliseconds(50));
  (void)crowd.pool.look();
  EXPECT_EQ(crowd.begun.size(), 3U) << "in all";
  ASSERT_TRUE(crowd.ends("a"));
  EXPECT_TRUE(crowd.find("hang1")->late);
  EXPECT_EQ(crowd.find("hang1")->status, 0);
  EXPECT_FALSE(crowd.find("a")->late);
}

TEST(IngestPool, WhoWaitsOrIsAtWorkIsNotAddedTwice) {
  Crowd crowd(limits(1, 8, std::chrono::hours(1), std::chrono::hours(1)));
  crowd.pool.add({"hang1", "a", "a"});
  (void)crowd.pool.look();
  crowd.pool.add({"a", "hang1"});
  crowd.pool.stop();
  crowd.pool.add({"a"});
  ASSERT_TRUE(crowd.ends("a"));
  EXPECT_EQ(crowd.begun, (std::vector<std::string>{"hang1", "a"}));
}

TEST(IngestPool, WhoEndedIsToldAlsoWhenTheNextOneCannotBeStarted) {
  IngestPool pool(
      [](const std::string& client) {
        if (client == "bad") throw Error(Kind::Io, "no process can be started");
        Command command;
        command.argv = {"true"};
        return start(command);
      },
      limits(1, 1, std::chrono::hours(1), std::chrono::hours(1)));
  pool.add({"a", "bad", "b"});
  const auto until_one_ends = [&] {
    std::vector<IngestPool::Ended> out;
    for (const auto end = steady_clock::now() + std::chrono::seconds(20);
         out.empty() && steady_clock::now() < end; std::this_thread::sleep_for(milliseconds(2)))
      out = pool.look();
    return out;
  };
  const std::vector<IngestPool::Ended> first = until_one_ends();
  ASSERT_EQ(first.size(), 1U);
  EXPECT_EQ(first[0].client, "a");
  EXPECT_THROW((void)pool.look(), Error);
  const std::vector<IngestPool::Ended> last = until_one_ends();
  ASSERT_EQ(last.size(), 1U);
  EXPECT_EQ(last[0].client, "b");
}

TEST(NotTaken, AReasonOfAnyLengthAndAMarkThatCannotBeReadHoldUpNobody) {
  const test::TempDir dir;
  const std::string home = dir.path();
  const SystemClock clock;
  const Log log(home, "do_backup", clock);
  const std::string line = note_not_taken(home, "web1", std::string(100000, 'x'), {1783000000, 0}, log);
  EXPECT_EQ(note_not_taken(home, "web1", std::string(100000, 'x'), {1783000300, 0}, log), line);
  ASSERT_EQ(list_not_taken(home).size(), 1U);
  EXPECT_EQ(list_not_taken(home)[0].since.seconds, 1783000000);
  ensure_directory(home + "/log/not-taken/a");
  ASSERT_EQ(list_not_taken(home).size(), 2U);
  EXPECT_NE(list_not_taken(home)[0].reason.find("log/not-taken/a"), std::string::npos);
  EXPECT_EQ(clients_with_news(home, {"other"}, ""), (std::vector<std::string>{"other", "a", "web1"}));
}

TEST(NotTaken, IsANoticeOnceAndAStateUntilItIsForgotten) {
  const test::TempDir dir;
  const std::string home = dir.path();
  const SystemClock clock;
  const Log log(home, "do_backup", clock);
  const auto notices = [&] { return try_read_file(home + "/log/notices", 1U << 20U).value_or(""); };
  const auto count = [&] {
    const std::string text = notices();
    return std::count(text.begin(), text.end(), '\n');
  };
  EXPECT_TRUE(list_not_taken(home).empty());
  EXPECT_FALSE(forget_not_taken(home, "web1"));
  const std::string line = note_not_taken(home, "web1", "the disk\nhangs", {1783000000, 0}, log);
  EXPECT_NE(line.find("since 2026-07-02T13:46:40Z"), std::string::npos) << line;
  EXPECT_EQ(line.find('\n'), std::string::npos) << "one line";
  EXPECT_EQ(note_not_taken(home, "web1", "the disk\nhangs", {1783000300, 0}, log), line);
  EXPECT_EQ(count(), 1);
  (void)note_not_taken(home, "web1", "killed", {1783000600, 0}, log);
  EXPECT_EQ(count(), 2) << "another reason is news";
  (void)note_not_taken(home, "a", "x", {1783000600, 0}, log);
  const auto all = list_not_taken(home);
  ASSERT_EQ(all.size(), 2U);
  EXPECT_EQ(all[0].client, "a");
  EXPECT_EQ(all[1].reason, "killed");
  EXPECT_EQ(all[1].since.seconds, 1783000000) << "the first time in a row";
  replace_durably(home + "/log/not-taken/a", "rotten");
  EXPECT_NE(list_not_taken(home)[0].reason.find("log/not-taken/a"), std::string::npos);
  EXPECT_TRUE(forget_not_taken(home, "web1"));
  EXPECT_EQ(list_not_taken(home).size(), 1U);
}

TEST(ClientsWithNews, ThoseThatCouldNotBeTakenComeLast) {
  const test::TempDir dir;
  const std::string home = dir.path();
  const SystemClock clock;
  for (const std::string client : {"a", "b", "c", "gitosis-admin"}) {
    ensure_directory(home + "/repositories/" + client + ".git/refs/heads");
    replace_durably(home + "/repositories/" + client + ".git/refs/heads/requests",
                    std::string(40, '1') + "\n");
  }
  using Names = std::vector<std::string>;
  EXPECT_EQ(clients_with_news(home, {"set-aside"}, ""), (Names{"a", "b", "c", "set-aside"}));
  (void)note_not_taken(home, "a", "late", clock.now(), {});
  (void)note_not_taken(home, "gone", "late", clock.now(), {});
  EXPECT_EQ(clients_with_news(home, {}, ""), (Names{"b", "c", "a", "gone"}));
  EXPECT_EQ(clients_with_news(home, {}, "a"), Names{"a"});
}

}  // namespace
}  // namespace bk::server
