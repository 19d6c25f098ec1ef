// The folder that a cmd dumps into, and the programs whose output goes there.
#include "client/modules/spool.h"

#include "client/agent/consent.h"
#include "client/modules/child_output.h"
#include "client/queue/queue.h"
#include "client/request/spool_place.h"
#include "common/error/error.h"
#include "common/io/file.h"
#include "tests/support/temp_dir.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

namespace bk::client {
namespace {

using namespace std::chrono_literals;

class SpoolTest : public ::testing::Test {
 protected:
  ~SpoolTest() override { (void)::umask(mask_); }

  client::Run run_of(const std::string& name) const { return {dir.path(), "main", "", "mysql", name}; }
  static void put(const Spool& spool, const std::string& relative, const std::string& bytes) {
    const std::string path = join_path(spool.folder(), relative);
    ensure_directory(parent_of(path));
    replace_durably(path, bytes);
  }
  std::string dump(const std::vector<std::pair<std::string, std::string>>& files) const {
    Spool spool(run_of("/shop"));
    for (const auto& [name, bytes] : files) put(spool, name, bytes);
    return spool.commit();
  }
  static struct stat look(const std::string& path) {
    struct stat info {};
    EXPECT_EQ(::lstat(path.c_str(), &info), 0) << path;
    return info;
  }
  static bool same_file(const struct stat& a, const struct stat& b) {
    return a.st_ino == b.st_ino && a.st_ctim.tv_sec == b.st_ctim.tv_sec &&
           a.st_ctim.tv_nsec == b.st_ctim.tv_nsec;
  }

  test::TempDir dir;
  mode_t mask_ = ::umask(022);
};

TEST_F(SpoolTest, WhatADumpDoesNotChangeStaysTheVerySameFile) {
  const std::string data =
      dump({{"a.sql", "one"}, {"t/b.sql", "two"}, {"t/c.sql", "three"}, {"gone/d", "x"}});
  EXPECT_EQ(data, spool_slot(dir.path(), "main", "mysql", "/shop") + "/data");
  EXPECT_EQ(look(data).st_mode & 0777U, 0700U);
  EXPECT_EQ(look(data + "/a.sql").st_mode & 0777U, 0600U);
  const struct stat a = look(data + "/a.sql");
  const struct stat b = look(data + "/t/b.sql");
  const struct stat c = look(data + "/t/c.sql");
  EXPECT_EQ(dump({{"a.sql", "one"}, {"t/b.sql", "TWO"}, {"t/c.sql", "three"}, {"t/new", "4"}}), data);
  EXPECT_TRUE(same_file(a, look(data + "/a.sql")));
  EXPECT_FALSE(same_file(b, look(data + "/t/b.sql")));
  EXPECT_TRUE(same_file(c, look(data + "/t/c.sql")));
  EXPECT_EQ(read_file(data + "/t/b.sql"), "TWO");
  EXPECT_EQ(list_directory(data), (std::vector<std::string>{"a.sql", "t"}));
  EXPECT_EQ(list_directory(parent_of(data)), (std::vector<std::string>{"data", "lock"}));
}

TEST_F(SpoolTest, WhatTheCmdKeepsNeedNotBeWrittenAgain) {
  const std::string data = dump({{"big/one", "1"}, {"big/two", "2"}, {"all/x/y", "3"}});
  Spool spool(run_of("/shop"));
  EXPECT_EQ(spool.previous(), data);
  spool.keep("big/two");
  spool.keep("all");
  put(spool, "fresh", "4");
  (void)spool.commit();
  EXPECT_EQ(list_directory(data), (std::vector<std::string>{"all", "big", "fresh"}));
  EXPECT_EQ(list_directory(data + "/big"), std::vector<std::string>{"two"});
  EXPECT_EQ(read_file(data + "/all/x/y"), "3");
}

TEST_F(SpoolTest, ADumpThatFailsLeavesTheLastOneAlone) {
  const std::string data = dump({{"a.sql", "one"}});
  {
    Spool spool(run_of("/shop"));
    put(spool, "a.sql", "half");
  }
  EXPECT_EQ(read_file(data + "/a.sql"), "one");
  EXPECT_FALSE(path_exists(parent_of(data) + "/new"));
}

TEST_F(SpoolTest, AMergeThatWasCutIsNoPlaceUntilTheNextRunMendsIt) {
  const std::string data = dump({{"a.sql", "one"}, {"b.sql", "two"}});
  rename_durably(data, parent_of(data) + "/merging");
  replace_durably(parent_of(data) + "/merging/a.sql", "mixed");
  EXPECT_EQ(dump({{"a.sql", "three"}, {"b.sql", "two"}}), data);
  EXPECT_EQ(read_file(data + "/a.sql"), "three");
  EXPECT_FALSE(path_exists(parent_of(data) + "/merging"));
}

TEST_F(SpoolTest, TwoRunsOfOneSourceExcludeEachOther) {
  const Spool spool(run_of("/shop"));
  EXPECT_THROW(Spool(run_of("/shop")), Error);
  const Spool other(run_of("/other"));
}

TEST_F(SpoolTest, SlotsThatNobodyUsesGoWhenTheirTimeIsOver) {
  const std::string data = dump({{"a.sql", "one"}});
  const Timestamp written{look(parent_of(data)).st_mtim.tv_sec, 0};
  ensure_directory(parent_of(data) + "/new/half");
  clean_spool(dir.path(), 10s, written);
  EXPECT_TRUE(path_exists(data));
  EXPECT_FALSE(path_exists(parent_of(data) + "/new"));
  {
    const Spool busy(run_of("/other"));
    clean_spool(dir.path(), 0s, written.plus(24h));
    EXPECT_TRUE(path_exists(data)) << "cleared away while a cmd runs";
  }
  clean_spool(dir.path(), 0s, written.plus(24h));
  EXPECT_FALSE(path_exists(parent_of(data)));
}

TEST_F(SpoolTest, ASlotThatIsQueuedStaysAndIsConsentedToWithoutTheRulesForTrees) {
  const std::string data = dump({{"id_rsa", "a table of that name"}});
  Queued item;
  item.request.id = "00112233445566778899aabbccddeeff";
  item.request.client = "web1";
  item.request.module = "mysql";
  item.request.name = "/shop";
  item.request.method = "rsync";
  item.request.place = data;
  item.server = "main";
  item.step = Step::Taken;
  ClientConfig config;
  config.home = dir.path();
  config.modules["mysql"].exclude = {"*"};
  const agent::Consent consent = agent::make_consent(config, "main", {item});
  ASSERT_EQ(consent.roots.size(), 1U);
  EXPECT_EQ(consent.roots[0].path, data);
  EXPECT_TRUE(consent.roots[0].exclude.empty());
  EXPECT_FALSE(consent.roots[0].guard_keys);

  item.request.counter = 1;
  ensure_directory(dir.file("requests/main"));
  replace_durably(dir.file("requests/main/P" + item.stem()), write_queued(item));
  clean_spool(dir.path(), 0s, {4000000000, 0});
  EXPECT_TRUE(path_exists(data));
}

class ChildOutputTest : public SpoolTest {
 protected:
  ChildOutput shell(const std::string& script) const {
    ChildOutput out;
    out.argv = {"sh", "-c", script};
    out.home = dir.path();
    out.limit = 20s;
    return out;
  }
  std::string failure(const ChildOutput& child) const {
    try {
      (void)run_to_file(child, dir.file("failed"));
    } catch (const Error& error) {
      return error.what();
    }
    return "it went well";
  }
};

TEST_F(ChildOutputTest, OutputBecomesAFileAndOnlyStatusZeroCounts) {
  EXPECT_EQ(run_to_file(shell("echo dump; echo warning >&2"), dir.file("out")), 5U);
  EXPECT_EQ(read_file(dir.file("out")), "dump\n");
  EXPECT_EQ(look(dir.file("out")).st_mode & 0777U, 0600U);
  EXPECT_THROW((void)run_to_file(shell("echo dump"), dir.file("out")), Error)
      << "a file is never overwritten";
  EXPECT_EQ(run_to_text(shell("echo text")), "text\n");
  EXPECT_THROW((void)run_to_text(shell("echo text"), 3), Error);
}

TEST_F(ChildOutputTest, AFailureSaysProgramStatusItsLastLinesAndWhatToDo) {
  ChildOutput child = shell("for i in 1 2 3 4; do echo line $i >&2; done; exit 7");
  EXPECT_EQ(failure(child), "\"sh\" ended with status 7: line 2; line 3; line 4");
  ASSERT_EQ(::unlink(dir.file("failed").c_str()), 0);
  child.advice = [](std::string_view said) {
    return said.find("line 1") != std::string_view::npos ? "do this" : "";
  };
  EXPECT_NE(failure(child).find("line 4; do this"), std::string::npos);
  ASSERT_EQ(::unlink(dir.file("failed").c_str()), 0);
  EXPECT_EQ(failure(shell("kill -9 $$")), "\"sh\" was killed by signal 9");
}

TEST_F(ChildOutputTest, AProgramThatHangsIsStopped) {
  ChildOutput child = shell("sleep 600");
  child.limit = 1s;
  EXPECT_EQ(failure(child), "\"sh\" did not end within 1 s and was stopped");
}

TEST_F(ChildOutputTest, APasswordFileThatOthersCanReadIsRefused) {
  replace_durably(dir.file("my.cnf"), "[client]", 0600);
  require_secret_file(dir.file("my.cnf"), "credentials");
  for (const mode_t mode : {0640, 0604}) {
    ASSERT_EQ(::chmod(dir.file("my.cnf").c_str(), mode), 0);
    EXPECT_THROW(require_secret_file(dir.file("my.cnf"), "credentials"), Error);
  }
  ASSERT_EQ(::chmod(dir.file("my.cnf").c_str(), 0600), 0);
  if (::chown(dir.file("my.cnf").c_str(), 12345, -1) == 0) {
    EXPECT_THROW(require_secret_file(dir.file("my.cnf"), "credentials"), Error) << "somebody else's";
  }
  EXPECT_THROW(require_secret_file(dir.file("absent"), "credentials"), Error);
}

}  // namespace
}  // namespace bk::client
