#include "common/log/log.h"

#include "common/io/file.h"
#include "tests/support/temp_dir.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace bk {
namespace {

// What people get by mail are these lines (cron's, or a tail of log/notices): a name cannot add one.
TEST(Log, ANameOfAnyBytesAddsNoLineAndNoHeader) {
  const test::TempDir dir;
  const SystemClock clock;
  const Log log(dir.path(), "do_backup", clock);
  log.notice("client \"web1\": a\r\nBcc: everybody@example.org\r\n\r\nbody\x1b[2J");
  const std::vector<std::string> files = list_directory(dir.path() + "/log");
  ASSERT_EQ(files.size(), 2U);
  for (const std::string& file : files) {
    const std::string text = read_file(dir.path() + "/log/" + file);
    EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 1) << text;
    EXPECT_TRUE(std::all_of(text.begin(), text.end(), [](char c) {
      return c == '\n' || (c >= ' ' && c != 0x7f);
    })) << text;
    EXPECT_NE(text.find("| Bcc: everybody"), std::string::npos) << text;
  }
}

}  // namespace
}  // namespace bk
