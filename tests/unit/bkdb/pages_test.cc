// The worked examples of the pages in docs/formats are what the code reads and writes.
#include "common/restore/export_list.h"
#include "common/text/document.h"
#include "server/bkdb/sources.h"
#include "server/views/views.h"
#include "tests/unit/bkdb/bkdb_fixture.h"

namespace bk::test {
namespace {

// The first block of a page that has no language mark.
std::string example(const std::string& page) {
  const std::string text = read_file(std::string(BK_SOURCE_DIR) + "/docs/formats/" + page);
  const std::size_t begin = text.find("\n```\nbk-") + 5;
  return text.substr(begin, text.find("```", begin) - begin);
}

TEST(ExportPage, ExampleIsReadAndWrittenAgain) {
  const std::string text = example("export.md");
  const auto list = parse_export_list(text);
  ASSERT_EQ(list.size(), 2U);
  EXPECT_EQ(list[1].path, "/home/services/caf\xc3\xa9");
  EXPECT_EQ(write_export_list(list), text);
}

class ViewsPage : public BkdbTest {};

TEST_F(ViewsPage, ExampleIsWhatAViewHolds) {
  write("trac.tar", "bytes");
  const auto record =
      back_up("trac.tar", {.module = "trac", .method = "sftp", .name = "/home/services/trac"});
  server::update_view(home(), record);
  const std::string folder =
      home() + "/" + server::view_folder("web1", "trac", "sftp", "/home/services/trac");
  EXPECT_EQ(read_file(folder + "/source.txt"), example("views.md"));
  const std::string page = read_file(std::string(BK_SOURCE_DIR) + "/docs/formats/views.md");
  EXPECT_NE(page.find("`" + base_name(folder) + "`"), std::string::npos) << folder;
}

}  // namespace
}  // namespace bk::test
