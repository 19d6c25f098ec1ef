#include "common/error/error.h"
#include "common/io/file.h"
#include "server/todo/pause.h"
#include "server/todo/todo.h"
#include "tests/unit/todo/todo_builders.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <chrono>

namespace bk::server {
namespace {

using test::id_of;
using test::request_of;
using test::TempDir;

struct World {
  TempDir dir;
  TodoList todo{dir.file("TODO")};
  std::vector<std::string> problems;
  const Timestamp now{5000, 0};
  const std::string stem = proto::request_stem("wiki", "/srv/a");

  Added add(unsigned n, const std::string& name = "/srv/a") {
    return todo.add("web1", request_of(n, name), "web1", now);
  }
  std::string files() {
    std::string out;
    for (const std::string& f : list_directory(dir.file("TODO/web1"))) {
      if (f.front() != '.') out += f.substr(0, 1);
    }
    return out;
  }
  TodoItem only() { return todo.pending(problems).at(0).item; }
  std::optional<proto::Receipt> answer(unsigned n) {
    return todo.answers("web1", std::vector{id_of(n)}).front();
  }
  Finished ok() const { return {proto::Outcome::Ok, 0, std::string(64, 'e'), "", now}; }
};

TEST(TodoList, AResentRequestIsAddedOnceInEveryState) {
  World w;
  EXPECT_EQ(w.add(1), Added::New);
  EXPECT_EQ(w.add(1), Added::AlreadyThere);
  ASSERT_TRUE(w.todo.claim("web1", w.stem));
  EXPECT_EQ(w.add(1), Added::AlreadyThere);
  w.todo.finish("web1", w.stem, w.only(), w.ok());
  EXPECT_EQ(w.add(1), Added::AlreadyThere);
  w.todo.expire({4000000000, 0});
  EXPECT_EQ(w.files(), "");
  EXPECT_EQ(w.add(1), Added::AlreadyThere);
}

TEST(TodoList, ASecondRequestForTheSameSourceJoinsTheWaitingOne) {
  World w;
  EXPECT_EQ(w.add(1), Added::New);
  EXPECT_EQ(w.add(2), Added::Joined);
  EXPECT_EQ(w.only().ids, (std::vector<std::string>{id_of(1), id_of(2)}));
  EXPECT_EQ(w.only().request.id, id_of(2));
}

TEST(TodoList, AListThatIsFullSaysSoAndLosesNothing) {
  World w;
  TodoList small(w.dir.file("TODO"), 2);
  const auto add = [&](unsigned n, const std::string& name) {
    return small.add("web1", request_of(n, name), "web1", w.now);
  };
  EXPECT_EQ(add(1, "/a"), Added::New);
  EXPECT_EQ(add(2, "/b"), Added::New);
  EXPECT_EQ(add(3, "/c"), Added::Full);
  EXPECT_EQ(add(4, "/b"), Added::Joined) << "what is there already may be asked for again";
  EXPECT_EQ(add(1, "/a"), Added::AlreadyThere);
  EXPECT_EQ(small.add("web2", request_of(5, "/a"), "web2", w.now), Added::New);
  EXPECT_FALSE(small.answers("web1", std::vector{id_of(3)}).front());
}

TEST(TodoList, OneClientsUnreadableFolderHidesNobodyElses) {
  World w;
  (void)w.add(1);
  (void)w.todo.add("web2", request_of(2, "/srv/b"), "web2", w.now);
  const std::string file = w.dir.file("TODO/web1/C" + w.stem);
  replace_durably(file, std::string(5U << 20U, 'x'));  // larger than any item may be: cannot be read
  ASSERT_EQ(w.todo.pending(w.problems).size(), 1U);
  EXPECT_EQ(w.todo.pending(w.problems).front().client, "web2");
  ASSERT_FALSE(w.problems.empty());
  EXPECT_NE(w.problems.front().find("web1"), std::string::npos);
}

TEST(TodoList, ADamagedEntryIsNotPutAwayBeforeSomebodyIsTold) {
  World w;
  (void)w.add(1);
  replace_durably(w.dir.file("TODO/web1/C" + w.stem), "bk-todo 1\nnonsense\n");
  (void)w.add(2, "/srv/b");  // an ingest in between
  (void)w.answer(1);
  w.todo.recover("web1");
  EXPECT_EQ(w.todo.pending(w.problems).size(), 1U);
  ASSERT_EQ(w.problems.size(), 1U);
  EXPECT_NE(w.problems.front().find("set aside as X"), std::string::npos);
  EXPECT_EQ(w.add(3), Added::New);
}

TEST(TodoList, ARequestForASourceAtWorkWaitsBesideIt) {
  World w;
  (void)w.add(1);
  ASSERT_TRUE(w.todo.claim("web1", w.stem));
  EXPECT_EQ(w.add(2), Added::New);
  EXPECT_FALSE(w.todo.claim("web1", w.stem));
  EXPECT_EQ(w.files(), "CP");
}

TEST(TodoList, ClaimingWhatIsNotThereSaysNo) {
  World w;
  (void)w.add(1);
  EXPECT_FALSE(w.todo.claim("web1", proto::request_stem("wiki", "/other")));
}

TEST(TodoList, AFailedAttemptComesBackWithItsCount) {
  World w;
  (void)w.add(1);
  ASSERT_TRUE(w.todo.claim("web1", w.stem));
  TodoItem item = w.only();
  item.attempts = 1;
  item.not_before = Timestamp{5060, 0};
  item.last_error = "connecting: refused";
  w.todo.put_back("web1", w.stem, item);
  EXPECT_EQ(w.files(), "C");
  EXPECT_EQ(w.only(), item);
}

TEST(TodoList, AFailedAttemptIsMergedWithTheRequestThatCameMeanwhile) {
  World w;
  (void)w.add(1);
  ASSERT_TRUE(w.todo.claim("web1", w.stem));
  const TodoItem item = w.only();
  (void)w.add(2);
  w.todo.put_back("web1", w.stem, item);
  EXPECT_EQ(w.files(), "C");
  EXPECT_EQ(w.only().ids, (std::vector<std::string>{id_of(1), id_of(2)}));
}

TEST(TodoList, TurnsCountOnWhenTheSourceIsAskedForMeanwhile) {
  World w;
  (void)w.add(1);
  ASSERT_TRUE(w.todo.claim("web1", w.stem));
  TodoItem item = w.only();
  item.turns = 2;
  item.turns_lost = 2;
  item.yielded = Timestamp{6000, 0};
  (void)w.add(2);
  w.todo.put_back("web1", w.stem, item);
  EXPECT_EQ(w.only().turns_lost, 2) << "or a fetch whose turns must grow would never end";
  EXPECT_EQ(w.only().yielded, item.yielded);
  (void)w.add(3);
  EXPECT_EQ(w.only().turns, 2);
}

TEST(TodoList, AnswersTakenWhileQueuedAndTheOutcomeForEverAfter) {
  World w;
  EXPECT_FALSE(w.answer(1));
  (void)w.add(1);
  (void)w.add(2);
  EXPECT_EQ(w.answer(1)->outcome, proto::Outcome::Taken);
  ASSERT_TRUE(w.todo.claim("web1", w.stem));
  w.todo.finish("web1", w.stem, w.only(), {proto::Outcome::Failed, 75, "", "host is down", w.now});
  EXPECT_EQ(w.answer(2)->reason, "host is down");
  w.todo.expire({4000000000, 0});
  EXPECT_EQ(w.answer(1)->outcome, proto::Outcome::Failed);
  EXPECT_EQ(w.answer(1)->status, 75);
  EXPECT_FALSE(w.answer(1)->reason.empty());
}

TEST(TodoList, AFileThatCannotBeParsedIsSetAsideAndReported) {
  World w;
  (void)w.add(1);
  (void)w.add(2, "/srv/b");
  replace_durably(w.dir.file("TODO/web1/C" + w.stem), "bk-todo 1\nid: half");
  EXPECT_EQ(w.todo.pending(w.problems).size(), 1U);
  ASSERT_EQ(w.problems.size(), 1U);
  EXPECT_EQ(w.files(), "CX");
  EXPECT_EQ(w.add(3), Added::New);
}

TEST(TodoList, ASymlinkInPlaceOfAnEntryIsSetAsideAndNotFollowed) {
  World w;
  (void)w.add(1);
  const std::string name = w.dir.file("TODO/web1/C" + w.stem);
  remove_durably(name);
  ASSERT_EQ(::symlink("/etc/passwd", name.c_str()), 0);
  EXPECT_TRUE(w.todo.pending(w.problems).empty());
  EXPECT_EQ(w.files(), "X");
}

TEST(TodoList, OldestComesFirstAcrossClients) {
  World w;
  (void)w.todo.add("web2", request_of(1, "/late"), "web2", {300, 0});
  (void)w.todo.add("web1", request_of(2, "/early"), "web1", {100, 0});
  const auto items = w.todo.pending(w.problems);
  ASSERT_EQ(items.size(), 2U);
  EXPECT_EQ(items[0].client, "web1");
  EXPECT_EQ(items[1].client, "web2");
}

TEST(TodoList, AClientNameThatIsAPathIsRefused) {
  World w;
  EXPECT_THROW((void)w.todo.add("../web1", request_of(1, "/a"), "web1", w.now), Error);
  EXPECT_THROW((void)w.todo.add("a/b", request_of(1, "/a"), "web1", w.now), Error);
}

TEST(TodoList, TenThousandRequestsAreAddedInBatchesWithinSeconds) {
  World w;
  const auto begin = std::chrono::steady_clock::now();
  unsigned n = 0;
  for (int batch = 0; batch < 10; ++batch) {
    std::vector<proto::Request> requests;
    for (int i = 0; i < 1000; ++i, ++n) requests.push_back(request_of(n + 1, "/srv/" + std::to_string(n)));
    for (const Added added : w.todo.add_all("web1", requests, "web1", w.now)) ASSERT_EQ(added, Added::New);
  }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  RecordProperty("seconds", std::to_string(took.count()));
  EXPECT_LT(took.count(), 30.0);
  EXPECT_EQ(w.todo.pending(w.problems).size(), 10000U);
}

TEST(TodoList, OfEachSourceTheLastEndCountsAndADamagedFileIsReported) {
  World w;
  for (const unsigned n : {1U, 2U}) {
    (void)w.add(n);
    ASSERT_TRUE(w.todo.claim("web1", w.stem));
    Finished end = w.ok();
    if (n == 2) end.reason = "the later one";
    w.todo.finish("web1", w.stem, w.only(), end);
  }
  const auto ended = w.todo.newest_finished(w.problems);
  ASSERT_EQ(ended.size(), 1U);
  EXPECT_EQ(ended[0].item.finished->reason, "the later one");
  EXPECT_TRUE(w.problems.empty());
  replace_durably(w.dir.file("TODO/web1/F" + w.stem + "." + id_of(3)), "no todo");
  EXPECT_TRUE(w.todo.newest_finished(w.problems).empty());
  EXPECT_EQ(w.problems.size(), 1U);
}

TEST(Pauses, OneClientOrEverythingUntilItIsEnded) {
  World w;
  const Pauses pauses(w.dir.file("TODO"));
  EXPECT_FALSE(pauses.resume());
  EXPECT_TRUE(pauses.pause("web1"));
  EXPECT_FALSE(pauses.pause("web1"));
  EXPECT_TRUE(pauses.since("web1"));
  EXPECT_FALSE(pauses.since());
  EXPECT_FALSE(pauses.since("web2"));
  EXPECT_TRUE(pauses.pause());
  EXPECT_TRUE(pauses.resume("web1"));
  EXPECT_FALSE(pauses.since("web1"));
  EXPECT_TRUE(pauses.since());
  EXPECT_THROW((void)pauses.pause("../web1"), Error);
  EXPECT_EQ(w.add(1), Added::New) << "a pause takes requests";
  EXPECT_EQ(w.todo.pending(w.problems).size(), 1U);
}

}  // namespace
}  // namespace bk::server
