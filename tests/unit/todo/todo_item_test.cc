#include "server/todo/todo_item.h"

#include "common/digest/sha256.h"
#include "common/error/error.h"
#include "common/io/file.h"
#include "server/todo/done_log.h"
#include "tests/unit/todo/todo_builders.h"

#include <gtest/gtest.h>

namespace bk::server {
namespace {

using test::id_of;
using test::request_of;

// The n-th ``` block of the format's page.
std::string example(int n) {
  const std::string page = read_file(std::string(BK_SOURCE) + "/docs/formats/todo.md");
  std::size_t at = 0;
  for (int i = 0; i <= 2 * n; ++i) at = page.find("```", at) + (i < 2 * n ? 3 : 4);
  return page.substr(at, page.find("```", at) - at);
}

TodoItem item_of(unsigned n) {
  TodoItem item;
  item.request = request_of(n, "/srv/a");
  item.ids = {item.request.id};
  item.by = "web1";
  item.taken = {2000, 0};
  return item;
}

TEST(TodoItem, TheWorkedExampleOfThePageParsesAndWritesBack) {
  const TodoItem item = parse_todo(example(0));
  EXPECT_EQ(item.request.name, "/srv/caf\xC3\xA9");
  EXPECT_EQ(item.ids.size(), 2U);
  EXPECT_EQ(item.attempts, 2);
  EXPECT_EQ(item.last_error, "connecting to web1: Connection refused");
  EXPECT_EQ(write_todo(item), example(0));
}

TEST(TodoItem, TheDoneLinesOfThePageParseAndWriteBack) {
  const std::string text = example(1);
  ASSERT_EQ(text.size(), 2 * kDoneLineBytes);
  for (std::size_t at : {std::size_t{0}, kDoneLineBytes}) {
    const auto record = parse_done_line(text.substr(at, kDoneLineBytes));
    ASSERT_TRUE(record);
    EXPECT_EQ(write_done_line(*record), text.substr(at, kDoneLineBytes));
  }
}

TEST(TodoItem, ReadsWhatItWroteWithAnOutcome) {
  TodoItem item = item_of(7);
  item.finished = Finished{proto::Outcome::Failed, 75, "", "host\nis down", {3000, 1}};
  item.turns = 3;
  item.turns_lost = 1;
  item.yielded = Timestamp{2500, 5};
  EXPECT_EQ(parse_todo(write_todo(item)), item);
}

TEST(TodoItem, NoMoreTurnsAreLostThanThereWere) {
  TodoItem item = item_of(7);
  item.turns = 1;
  item.turns_lost = 2;
  EXPECT_THROW((void)parse_todo(write_todo(item)), Error);
  const std::string written = write_todo(item);
  const std::size_t at = written.find("turns: ");
  std::string cut = written.substr(0, at) + written.substr(written.find('\n', at) + 1);
  cut.erase(cut.rfind("end: "));
  EXPECT_THROW((void)parse_todo(cut + "end: sha256 " + Sha256::of(cut).hex() + "\n"), Error);
}

TEST(TodoItem, RefusesAnEntryThatDoesNotAnswerItsOwnRequest) {
  TodoItem item = item_of(7);
  item.ids = {id_of(8)};
  EXPECT_THROW((void)parse_todo(write_todo(item)), Error);
}

TEST(TodoItem, JoiningOtherDataForgetsTheWaitingTime) {
  TodoItem item = item_of(1);
  item.attempts = 3;
  item.not_before = Timestamp{9000, 0};
  join(item, request_of(2, "/srv/a"), "web1");
  EXPECT_EQ(item.attempts, 3);
  proto::Request other = request_of(3, "/srv/a");
  other.place = "/elsewhere";
  join(item, other, "web1");
  EXPECT_EQ(item.attempts, 0);
  EXPECT_FALSE(item.not_before);
  EXPECT_EQ(item.ids, (std::vector<std::string>{id_of(1), id_of(2), id_of(3)}));
}

TEST(TodoItem, AnOlderRequestThatComesLateDoesNotReplaceTheNewerOne) {
  TodoItem item = item_of(5);
  join(item, request_of(4, "/srv/a"), "web1");
  EXPECT_EQ(item.request.id, id_of(5));
  EXPECT_EQ(item.ids.size(), 2U);
}

}  // namespace
}  // namespace bk::server
