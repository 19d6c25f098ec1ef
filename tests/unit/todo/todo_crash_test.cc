// Kills the process at each named step of the work list and looks at what the next one finds (I1, I2).
#include "common/io/crash.h"
#include "common/io/file.h"
#include "server/todo/todo.h"
#include "tests/unit/todo/todo_builders.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

namespace bk::server {
namespace {

using test::id_of;
using test::request_of;
using test::TempDir;

const char* const kSteps[] = {"todo.staged",          "todo.renamed",   "todo.added",
                              "todo.claimed",         "todo.rewritten", "todo.merged_back",
                              "todo.attempt_counted", "todo.put_back",  "todo.done_logged",
                              "todo.outcome_written", "todo.finished"};

// Runs `work` in a child that dies at `step`; true when it died there.
template <class Work>
bool dies_at(const char* step, Work&& work) {
  const pid_t pid = ::fork();
  if (pid == 0) {
    ::setenv("BACKLINE_CRASH_AT", step, 1);
    work();
    ::_exit(0);
  }
  int raw = 0;
  EXPECT_EQ(::waitpid(pid, &raw, 0), pid);
  return WIFSIGNALED(raw) && WTERMSIG(raw) == SIGKILL;
}

struct World {
  TempDir dir;
  const Timestamp now{5000, 0};
  const std::string stem = proto::request_stem("wiki", "/srv/a");
  [[nodiscard]] TodoList list() const { return TodoList(dir.file("TODO")); }
  [[nodiscard]] std::vector<TodoList::Named> pending() const {
    std::vector<std::string> problems;
    TodoList todo = list();
    for (const std::string& client : todo.clients()) todo.recover(client);
    std::vector<TodoList::Named> out = todo.pending(problems);
    EXPECT_TRUE(problems.empty());
    return out;
  }
  void add(unsigned n) const { (void)list().add("web1", request_of(n, "/srv/a"), "web1", now); }
  // The whole life of a request, from any point on; `kill` joins a second request and fails once.
  void live() const {
    add(1);
    TodoList todo = list();
    (void)todo.claim("web1", stem);
    fail_if_working();
    (void)todo.claim("web1", stem);
    add(2);
    fail_if_working();
    (void)todo.claim("web1", stem);
    finish_if_working();
  }
  void fail_if_working() const {
    for (TodoList::Named& named : pending()) {
      if (named.state != 'P') continue;
      ++named.item.attempts;
      list().put_back("web1", stem, named.item);
    }
  }
  void finish_if_working() const {
    for (const TodoList::Named& named : pending()) {
      if (named.state == 'P')
        list().finish("web1", stem, named.item, {proto::Outcome::Ok, 0, std::string(64, 'e'), "", now});
    }
  }
};

class TodoCrash : public ::testing::TestWithParam<const char*> {};

TEST_P(TodoCrash, NoIdIsLostOrDoubledAndTheNextRunEndsIt) {
  for (int pass = 1; pass <= 3; ++pass) {
    World w;
    const std::string step = std::string(GetParam()) + ":" + std::to_string(pass);
    const bool died = dies_at(step.c_str(), [&] { w.live(); });
    if (pass == 1) {
      ASSERT_TRUE(died) << step;
    }
    std::map<std::string, int> seen;
    for (const TodoList::Named& named : w.pending()) {
      for (const std::string& id : named.item.ids) ++seen[id];
    }
    for (const auto& [id, count] : seen) EXPECT_EQ(count, 1) << id << " at " << step;
    w.live();
    w.live();
    EXPECT_TRUE(w.pending().empty()) << step;
    for (const unsigned n : {1U, 2U}) {
      const auto answer = w.list().answers("web1", std::vector{id_of(n)}).front();
      ASSERT_TRUE(answer) << step;
      EXPECT_EQ(answer->outcome, proto::Outcome::Ok) << step;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Steps, TodoCrash, ::testing::ValuesIn(kSteps),
                         [](const auto& step) { return std::string(step.param).substr(5); });

TEST(TodoKill, AnAddedRequestIsThereAfterAKillBehindTheRename) {
  World w;
  ASSERT_TRUE(dies_at("todo.added", [&] { w.add(1); }));
  EXPECT_EQ(w.pending().size(), 1U);
}

TEST(TodoKill, ARequestKilledBeforeTheRenameWasNeverPromised) {
  World w;
  ASSERT_TRUE(dies_at("todo.staged", [&] { w.add(1); }));
  EXPECT_TRUE(w.pending().empty());
  EXPECT_TRUE(list_directory(w.dir.file("TODO/web1/.incomplete")).empty());
}

}  // namespace
}  // namespace bk::server
