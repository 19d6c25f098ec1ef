// The restore stream: its transcript in the documentation, what it carries, and what hostile ones achieve.
// BK_ACCEPT=1 rewrites the transcript and the fuzz seeds and skips.
#include "common/error/error.h"
#include "common/io/file.h"
#include "common/restore/tree_restorer.h"
#include "common/text/escape.h"
#include "proto/restore/stream_reader.h"
#include "tests/support/restore_samples.h"
#include "tests/support/temp_dir.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <random>

namespace bk::test {
namespace {

const std::string kPage = std::string(BK_SOURCE) + "/docs/protocol/restore.md";
const std::string kFence = "```transcript\n";
const std::string kSeeds = std::string(BK_SOURCE) + "/tests/fuzz/corpus/restore_stream_fuzz/";

std::string transcript() {
  const std::string ask = restore::encode(sample_ask());
  std::string out =
      "C Ask " + hex_encode(restore::frame_header(restore::FrameType::Ask, ask.size()) + ask) + "\n";
  for (const std::string& frame : frames_of(sample_stream()))
    out += std::string("S ") + restore::frame_name(static_cast<restore::FrameType>(frame[4])) + " " +
           hex_encode(frame) + "\n";
  return out;
}

void accept() {
  std::string page = read_file(kPage);
  const std::size_t begin = page.find(kFence) + kFence.size();
  page.replace(begin, page.find("```", begin) - begin, transcript());
  replace_durably(kPage, page, 0644);
  replace_durably(kSeeds + "sample", sample_stream(), 0644);
  replace_durably(kSeeds + "rich", rich_stream(), 0644);
  replace_durably(kSeeds + "offered", offered_stream({true, false, true}), 0644);
}

class Receiver final : public restore::Receiver {
 public:
  explicit Receiver(const std::string& destination, bool goes_on = false)
      : fd_(open_directory(destination)), shown_(destination), goes_on_(goes_on) {}
  void text(std::string_view text) override { said += text; }
  void finding(const restore::Finding& finding) override {
    said += finding.path + ": " + finding.text + "\n";
  }
  RestoreSink& tree(const restore::Tree&) override {
    RestoreOptions options;
    options.id_bytes = restore::kIdBytes;
    options.goes_on = goes_on_;
    restorer_ = std::make_unique<TreeRestorer>(
        fd_.get(), shown_, report_,
        [this](const std::string& path, const std::string& reason) { said += path + ": " + reason + "\n"; },
        std::move(options));
    return *restorer_;
  }
  void tree_end() override { restorer_->finish(); }
  void say(std::string_view frame) override {
    restore::FrameDecoder frames;
    frames.feed(frame);
    kept = restore::decode_keep(frames.next()->payload).kept;
  }
  std::string said;
  std::vector<bool> kept;

 private:
  Fd fd_;
  std::string shown_;
  bool goes_on_;
  RestoreReport report_;
  std::unique_ptr<TreeRestorer> restorer_;
};

std::optional<int> receive(const std::string& stream, Receiver& receiver, std::size_t piece = 1U << 20U) {
  restore::StreamReader reader(receiver);
  for (std::size_t at = 0; at < stream.size(); at += piece)
    reader.feed(std::string_view(stream).substr(at, piece));
  reader.end();
  return reader.status();
}

TEST(RestoreStream, TheTranscriptInTheDocumentationIsWhatTheProgramsSay) {
  if (std::getenv("BK_ACCEPT") != nullptr) {
    accept();
    GTEST_SKIP() << "rewritten";
  }
  EXPECT_NE(read_file(kPage).find(kFence + transcript() + "```"), std::string::npos);
  EXPECT_EQ(read_file(kSeeds + "rich"), rich_stream());
  EXPECT_EQ(restore::decode_ask(restore::encode(sample_ask())), sample_ask());
}

TEST(RestoreStream, CarriesATreeInPiecesOfAnySize) {
  for (const std::size_t piece : {std::size_t{1}, std::size_t{7}, std::size_t{1} << 20U}) {
    const TempDir dir;
    Receiver receiver(dir.path());
    EXPECT_EQ(receive(rich_stream(), receiver, piece), 3);
    const std::string chunk = "seventeen bytes.\n";
    EXPECT_EQ(read_file(dir.file("0_back/noted")), chunk + chunk);
    EXPECT_EQ(read_file(dir.file("0_back/below/other")), chunk);
    EXPECT_EQ(read_file(dir.file("0_back/below/link")), chunk);
    EXPECT_EQ(read_file(dir.file("0_back/two")), chunk + std::string(983, '\0') + chunk);
    EXPECT_FALSE(path_exists(dir.file("0_back/lost")));
    EXPECT_EQ(receiver.said, "[0] /srv\n0_back/x: damaged\n0_back/lost: a chunk is missing\n");
  }
}

TEST(RestoreStream, AClientThatHasSomeOfItSaysWhat) {
  EXPECT_EQ(read_file(kSeeds + "offered"), offered_stream({true, false, true}));
  const std::string chunk = "seventeen bytes.\n";
  const TempDir dir;
  Receiver first(dir.path(), true);
  EXPECT_EQ(receive(offered_stream({false, false, false}), first), 0);
  EXPECT_EQ(first.kept, std::vector<bool>(3, false));
  ASSERT_EQ(::chmod(dir.file("0_back/a").c_str(), 0600), 0);
  ASSERT_EQ(::truncate(dir.file("0_back/a").c_str(), 17), 0);
  Receiver second(dir.path(), true);
  EXPECT_EQ(receive(offered_stream({true, false, true}), second, 3), 0);
  EXPECT_EQ(second.kept, (std::vector<bool>{true, false, true}));
  EXPECT_EQ(read_file(dir.file("0_back/a")), chunk + chunk);
  EXPECT_EQ(read_file(dir.file("0_back/b")), chunk);
}

TEST(RestoreStream, OffersAndAnswersThatDoNotFitAreRefused) {
  EXPECT_THROW((void)offered_stream({true}), Error);
  const restore::Keep nine{{true, false, false, true, false, false, false, false, true}};
  const std::string keep = restore::encode(nine);
  EXPECT_EQ(restore::decode_keep(keep), nine);
  EXPECT_THROW((void)restore::decode_keep(keep.substr(0, keep.size() - 1)), Error);
  EXPECT_THROW((void)restore::decode_keep(keep + "x"), Error);
  // More is said to be there than was announced.
  for (const std::string& frame : frames_of(offered_stream({true, true, true}))) {
    if (static_cast<restore::FrameType>(frame[4]) != restore::FrameType::Offer) continue;
    EXPECT_THROW((void)restore::decode_offer(frame.substr(5, frame.size() - 6)), Error);
    EXPECT_EQ(restore::decode_offer(frame.substr(5)).places.size(), 3U);
  }
}

TEST(RestoreStream, CutAnywhereItIsNoSuccess) {
  const std::string stream = rich_stream();
  for (std::size_t size = 0; size < stream.size(); size += 13) {
    const TempDir dir;
    Receiver receiver(dir.path());
    EXPECT_THROW((void)receive(stream.substr(0, size), receiver), Error) << size;
  }
}

TEST(RestoreStream, AFrameThatIsMissingDoubledOrChangedIsNoticed) {
  const std::vector<std::string> frames = frames_of(rich_stream());
  for (std::size_t skip = 0; skip < frames.size(); ++skip) {
    std::string without, twice;
    for (std::size_t i = 0; i < frames.size(); ++i) {
      if (i != skip) without += frames[i];
      twice += i == skip ? frames[i] + frames[i] : frames[i];
    }
    for (const std::string& stream : {without, twice}) {
      const TempDir dir;
      Receiver receiver(dir.path());
      EXPECT_THROW((void)receive(stream, receiver), Error) << skip;
    }
  }
}

// Whatever arrives, nothing is made or changed outside of the destination.
TEST(RestoreStream, HostileBytesNeverLeaveTheDestination) {
  const TempDir dir;
  replace_durably(dir.file("outside"), "untouched");
  const std::string stream = rich_stream();
  std::mt19937 random(20261121);
  int whole = 0;
  for (int round = 0; round < 400; ++round) {
    std::string bad = stream;
    for (auto flips = 1 + random() % 3; flips > 0; --flips)
      bad[random() % bad.size()] ^= static_cast<char>(1U << random() % 8);
    const std::string destination = dir.file("inside");
    ensure_directory(destination);
    try {
      Receiver receiver(destination);
      (void)receive(bad, receiver);
      ++whole;
    } catch (const Error&) {
    }
    remove_tree(destination);
    ASSERT_EQ(list_directory(dir.path()), std::vector<std::string>{"outside"});
  }
  EXPECT_EQ(read_file(dir.file("outside")), "untouched");
  // Only bytes that lie in a group without belonging anywhere, or that spoil a chunk, may differ.
  EXPECT_LT(whole, 60);
}

TEST(RestoreStream, NamesAndLinksThatLeadOutAreRefused) {
  const auto attempt = [](const std::function<void(restore::StreamWriter&)>& body) {
    const TempDir dir;
    replace_durably(dir.file("secret"), "s");
    ensure_directory(dir.file("inside"));
    std::string stream;
    restore::StreamWriter out([&](std::string_view part) { stream += part; }, "x");
    out.tree({"t", "c", "m", "rsync", "/", std::string(64, 'a'), {}, 0, 0});
    out.enter(sample_entry("t", EntryType::Directory));
    body(out);
    out.leave();
    out.end_window();
    out.tree_end();
    out.done(0);
    Receiver receiver(dir.file("inside"));
    EXPECT_THROW((void)receive(stream, receiver), Error);
    EXPECT_EQ(list_directory(dir.path()), (std::vector<std::string>{"inside", "secret"}));
  };
  for (const char* name : {"..", ".", "", "a/b", "/etc"}) {
    attempt([&](auto& out) { out.file(sample_entry(name, EntryType::File), {}); });
    attempt([&](auto& out) { out.special(sample_entry(name, EntryType::Fifo)); });
    attempt([&](auto& out) {
      out.enter(sample_entry(name, EntryType::Directory));
      out.leave();
    });
  }
  for (const char* path : {"../secret", "/etc/passwd", "t/../../secret", ""})
    attempt([&](auto& out) { out.link(path, sample_entry("x", EntryType::File)); });
  attempt([&](auto& out) {
    out.leave();
    out.leave();
  });
}

}  // namespace
}  // namespace bk::test
