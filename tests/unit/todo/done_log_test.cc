#include "server/todo/done_log.h"

#include "common/io/file.h"
#include "tests/unit/todo/todo_builders.h"

#include <gtest/gtest.h>

namespace bk::server {
namespace {

using test::id_of;
using test::TempDir;

DoneRecord record_of(unsigned n) {
  return {id_of(n * 7919U), n % 2 == 0 ? proto::Outcome::Ok : proto::Outcome::Failed, n % 2 == 0 ? 0 : 75,
          n % 2 == 0 ? std::string(64, 'a') : "", 1000 + static_cast<std::int64_t>(n)};
}

TEST(DoneLog, FindsEveryIdAfterManyMerges) {
  TempDir dir;
  DoneLog log(dir.path(), 16);
  std::vector<std::string> ids;
  for (unsigned n = 0; n < 200; ++n) {
    log.append(std::vector{record_of(n)});
    log.merge_if_long();
    ids.push_back(record_of(n).id);
  }
  const auto found = log.find(ids);
  for (unsigned n = 0; n < 200; ++n) EXPECT_EQ(found[n], record_of(n));
  EXPECT_FALSE(log.find(std::vector{id_of(1)}).front());
}

TEST(DoneLog, ALineCutShortByACrashIsDroppedAndTheNextOneIsWhole) {
  TempDir dir;
  DoneLog log(dir.path());
  log.append(std::vector{record_of(1), record_of(2)});
  const std::string path = dir.file(".done.log");
  replace_durably(path, read_file(path).substr(0, kDoneLineBytes + 50));
  EXPECT_FALSE(log.find(std::vector{record_of(2).id}).front());
  log.append(std::vector{record_of(3)});
  EXPECT_TRUE(log.find(std::vector{record_of(1).id}).front());
  EXPECT_TRUE(log.find(std::vector{record_of(3).id}).front());
}

TEST(DoneLog, AMergeThatWasKilledBeforeTheCutIsHarmless) {
  TempDir dir;
  DoneLog log(dir.path(), 2);
  log.append(std::vector{record_of(1), record_of(2)});
  const std::string before = read_file(dir.file(".done.log"));
  log.merge_if_long();
  replace_durably(dir.file(".done.log"), before);
  log.merge_if_long();
  EXPECT_EQ(read_file(dir.file(".done")).size(), 2 * kDoneLineBytes);
  EXPECT_TRUE(log.find(std::vector{record_of(1).id}).front());
}

TEST(DoneLog, ADamagedLineIsNotBelieved) {
  std::string line = write_done_line(record_of(2));
  line[40] = line[40] == 'b' ? 'c' : 'b';
  EXPECT_FALSE(parse_done_line(line));
}

}  // namespace
}  // namespace bk::server
