// The transcript in docs/protocol/pull.md, replayed: the agent's lines go in, the server's must come out.
// BK_ACCEPT=1 rewrites it and skips.
#include "common/chunk/chunk_id.h"
#include "common/error/error.h"
#include "common/io/file.h"
#include "common/text/escape.h"
#include "tests/support/pull_script.h"
#include "tests/support/pull_world.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <sstream>

namespace bk::test {
namespace {

using namespace bk::pull;

const std::string kPage = BK_SOURCE "/docs/protocol/pull.md";
const std::string kFence = "```transcript\n";

struct Transcript {
  std::string agent, server;
};

Transcript read_transcript() {
  const std::string page = read_file(kPage);
  const std::size_t begin = page.find(kFence) + kFence.size();
  std::istringstream lines(page.substr(begin, page.find("```", begin) - begin));
  Transcript transcript;
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string who, name, hex;
    words >> who >> name >> hex;
    const auto bytes = hex_decode(hex);
    EXPECT_TRUE(bytes.has_value()) << line;
    FrameDecoder decoder;
    decoder.feed(*bytes);
    const auto frame = decoder.next();
    EXPECT_TRUE(frame.has_value() && decoder.empty() && name == frame_name(frame->type)) << line;
    (who == "A" ? transcript.agent : transcript.server) += *bytes;
  }
  return transcript;
}

// Runs a pull of "/d" in a new store; what the server says.
std::string server_says(const std::string& agent, PullReport* report = nullptr) {
  PullWorld world;
  ScriptStream stream(agent);
  const auto writer = world.writer();
  try {
    const PullReport done = pull_tree(stream, world.store(), *writer, {}, "/d");
    if (report != nullptr) *report = done;
  } catch (const Error&) {
    EXPECT_EQ(report, nullptr);  // only while the transcript is being made
  }
  return stream.heard();
}

AgentScript& append_step(AgentScript& script, int step) {
  const std::string hello = "hello\n" + std::string(250, '.');
  Entry file = script_file("a", hello.size());
  file.mtime = file.ctime = {1'700'000'000, 123'456'789};
  switch (step) {
    case 0:
      return script.leave(1);
    case 1:
      return script.page(0, 0, {file});
    case 2: {
      const ChunkItem chunk{static_cast<std::uint32_t>(hello.size()), chunk_id(ObjectKind::Data, hello)};
      return script.recipe(0, {BeginFile{0, 0, {{"user.note", "x"}}}, chunk, EndFile{}});
    }
    default:
      return script.group(0, hello).done();
  }
}

std::string lines_of(char who, std::string_view bytes) {
  std::string text;
  std::size_t begin = 0;
  for (const std::size_t end : frame_ends(bytes)) {
    FrameDecoder decoder;
    decoder.feed(bytes.substr(begin, end - begin));
    text += fmt::format("{} {} {}\n", who, frame_name(decoder.next()->type),
                        hex_encode(bytes.substr(begin, end - begin)));
    begin = end;
  }
  return text;
}

void rewrite_transcript() {
  std::string text, heard, said;
  AgentScript script;
  for (int step = 0;; ++step) {
    const std::string now = server_says(said);
    text += lines_of('S', std::string_view(now).substr(heard.size()));
    heard = now;
    if (step == 5) break;
    if (step > 0) append_step(script, step - 1);
    text += lines_of('A', std::string_view(script.bytes()).substr(said.size()));
    said = script.bytes();
  }
  std::string page = read_file(kPage);
  const std::size_t begin = page.find(kFence) + kFence.size();
  page.replace(begin, page.find("```", begin) - begin, text);
  replace_durably(kPage, page, 0644);
}

TEST(PullTranscript, TheServerSaysWhatThePageSays) {
  if (std::getenv("BK_ACCEPT") != nullptr) {
    rewrite_transcript();
    GTEST_SKIP() << "rewritten";
  }
  const Transcript transcript = read_transcript();
  PullReport report;
  EXPECT_EQ(hex_encode(server_says(transcript.agent, &report)), hex_encode(transcript.server));
  EXPECT_EQ(report.root.type, EntryType::Directory);
  EXPECT_EQ(report.agent, "script");
}

}  // namespace
}  // namespace bk::test
