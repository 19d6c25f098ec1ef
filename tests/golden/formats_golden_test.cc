// The worked examples of docs/formats are what the code reads and writes, byte for byte.
//
// An example is a fenced block whose info word names its format ("```bk-request").
#include "common/error/error.h"
#include "common/io/file.h"
#include "common/text/document.h"
#include "proto/receipt/receipt.h"
#include "proto/request/request.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace bk {
namespace {

std::string page(const std::string& name) {
  return read_file(std::string(BK_SOURCE) + "/docs/formats/" + name);
}

std::vector<std::string> examples(const std::string& text, const std::string& format) {
  const std::string open = "\n```" + format + "\n";
  std::vector<std::string> found;
  for (std::size_t at = text.find(open); at != std::string::npos; at = text.find(open, at + 1)) {
    const std::size_t begin = at + open.size();
    found.push_back(text.substr(begin, text.find("\n```\n", begin) + 1 - begin));
  }
  return found;
}

TEST(FormatPages, DocumentExampleIsWhatWeWrite) {
  const std::vector<std::string> found = examples(page("document.md"), "document");
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(Document::parse(found[0], "bk-mark").write(), found[0]);
  EXPECT_EQ(Document("bk-mark", 1).add("counter", 41U).write(), found[0]);
}

TEST(FormatPages, RequestExamplesAreWhatWeWrite) {
  const std::vector<std::string> found = examples(page("request.md"), "bk-request");
  ASSERT_EQ(found.size(), 2U);
  for (const std::string& text : found) EXPECT_EQ(proto::write_request(proto::parse_request(text)), text);
  EXPECT_EQ(proto::parse_request(found[0]).name, "/srv/caf\xc3\xa9 menu");
}

TEST(FormatPages, RequestPageNamesTheFileOfItsExample) {
  const std::string text = page("request.md");
  const proto::Request request = proto::parse_request(examples(text, "bk-request").at(0));
  const std::string stem = proto::request_stem(request.module, request.name);
  EXPECT_NE(text.find("`C" + stem + "`"), std::string::npos) << stem;
  EXPECT_NE(text.find("`F" + stem + "." + request.id + "`"), std::string::npos);
}

TEST(FormatPages, ReceiptExamplesAreWhatWeWrite) {
  const std::vector<std::string> found = examples(page("receipt.md"), "bk-receipt");
  ASSERT_EQ(found.size(), 2U);
  for (const std::string& text : found) EXPECT_EQ(proto::write_receipt(proto::parse_receipt(text)), text);
}

TEST(FormatPages, ReceiptPageNamesEveryOutcome) {
  const std::string text = page("receipt.md");
  using proto::Outcome;
  for (const Outcome o : {Outcome::Taken, Outcome::Ok, Outcome::Partial, Outcome::Refused, Outcome::Failed})
    EXPECT_NE(text.find("`" + std::string(proto::to_word(o)) + "`"), std::string::npos) << proto::to_word(o);
}

}  // namespace
}  // namespace bk
