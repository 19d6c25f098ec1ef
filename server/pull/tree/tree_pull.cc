#include "server/pull/tree_pull.h"

#include "common/error/error.h"
#include "common/text/escape.h"
#include "proto/pull/features.h"
#include "server/pull/tree/agent_line.h"
#include "server/pull/tree/content_intake.h"
#include "server/pull/tree/directory_keeper.h"
#include "server/pull/tree/link_table.h"
#include "server/pull/tree/page_intake.h"
#include "server/pull/tree/partial_tree.h"
#include "server/pull/tree/walk_intake.h"

#include <fmt/format.h>

#include <cstring>

namespace bk::pull {

namespace {

constexpr std::chrono::milliseconds kTellEvery{500};

class Pull {
 public:
  Pull(AgentLine& line, store::Store& store, store::Writer& writer, std::optional<Entry> old_root, bool doubt,
       const PullOptions& options, const std::vector<std::string>& features)
      : line_(line),
        store_(store),
        writer_(writer),
        options_(options),
        held_(store.scratch()),
        links_(store.scratch()),
        walk_(line, store, held_, std::move(old_root), begun_root(options), doubt),
        old_(line, store, writer.possession(), has_feature(features, kFeatureWindows)),
        windows_(line, store, old_),
        pages_(line, store, writer, held_, links_, old_, has_feature(features, kFeatureResume), doubt),
        content_(line, writer, store.chunker(), held_, old_, windows_,
                 has_feature(features, kFeatureUnasked)),
        keeper_(store, writer, held_, links_) {}

  PullReport run() {
    try {
      return work();
    } catch (const Error& error) {
      if (error.kind() == Kind::Transient || error.kind() == Kind::Cancelled) keep_what_is_there();
      throw;
    }
  }

 private:
  using Clock = std::chrono::steady_clock;

  static std::optional<Entry> begun_root(const PullOptions& options) {
    if (!options.begun) return std::nullopt;
    Entry root;
    root.type = EntryType::Directory;
    root.node = options.begun->node;
    root.has_subdirectories = options.begun->has_subdirectories;
    return root;
  }

  PullReport work() {
    line_.when_bytes_come([this] { tell(); });
    for (;;) {
      Frame frame = line_.receive();
      if (frame.type == FrameType::Done) {
        while (const auto late = line_.receive_late()) handle_and_store(*late);
        return finish(decode_done(frame.payload));
      }
      handle_and_store(frame);
      if (checkpoint_is_due()) checkpoint();
    }
  }

  void handle_and_store(const Frame& frame) {
    handle(frame);
    old_.pump();
    keeper_.advance(content_.complete_batches());
  }

  [[nodiscard]] bool checkpoint_is_due() const {
    const std::uint64_t bytes = options_.checkpoint_bytes;
    return Clock::now() - noted_ >= options_.checkpoint_every ||
           (bytes != 0 && line_.received_bytes() - noted_bytes_ >= bytes);
  }

  void checkpoint() {
    noted_bytes_ = line_.received_bytes();
    if (options_.checkpoint) {
      const Entry root = keeper_.root()
                             ? *keeper_.root()
                             : PartialTree(store_, writer_, held_, content_).build(walk_.open_directories());
      if (root.node != noted_node_) options_.checkpoint(root);
      noted_node_ = root.node;
    }
    noted_ = Clock::now();
  }

  // The error that ended the pull is the one to be told.
  void keep_what_is_there() noexcept {
    try {
      while (const auto frame = line_.rescue_first_line()) handle_and_store(*frame);
    } catch (const Error& error) {
      if (error.kind() != Kind::Transient) return;  // what came is not what it should be
    } catch (const std::exception&) {
      return;
    }
    try {
      while (const auto frame = line_.rescue()) content_.group(decode_group(frame->payload));
    } catch (const std::exception&) {
    }
    try {
      checkpoint();
    } catch (const std::exception&) {
    }
  }

  void handle(const Frame& frame) {
    switch (frame.type) {
      case FrameType::Enter:
        return walk_.enter(decode_enter(frame.payload));
      case FrameType::Leave:
        return walk_.leave(decode_leave(frame.payload));
      case FrameType::Entries:
        return pages_.entries(decode_entries(frame.payload));
      case FrameType::Recipe:
        return content_.recipe(decode_recipe(frame.payload));
      case FrameType::Group:
        line_.content_came(frame.payload.size());
        return content_.group(decode_group(frame.payload));
      case FrameType::Tickets:
        return line_.open_stripes(decode_tickets(frame.payload));
      case FrameType::Delta:
        return content_.delta(decode_delta(frame.payload));
      case FrameType::Skipped:
        return skipped(decode_skipped(frame.payload));
      default:
        throw Error(Kind::Protocol,
                    fmt::format("the agent sent {} in the middle of a pull", frame_name(frame.type)));
    }
  }

  void tell() {
    const auto now = std::chrono::steady_clock::now();
    if (!options_.progress || now - told_ < kTellEvery) return;
    told_ = now;
    options_.progress({content_.files(), keeper_.directories(), content_.bytes(), line_.received_bytes(),
                       writer_.totals().stored_bytes});
  }

  void skipped(const Skipped& message) {
    if (report_.skipped.size() == kMaxReports)
      throw Error(Kind::Protocol, "the agent sends too many Skipped");
    std::string reason = skip_reason_word(message.reason);
    if (const char* name = strerrorname_np(static_cast<int>(message.error));
        message.error != 0 && name != nullptr) {
      reason += fmt::format(":{}", name);
    }
    if (message.reason == SkipReason::Xattr) held_.attributes_lost.insert(message.path);
    report_.skipped.push_back(
        fmt::format("{} {}", reason, percent_encode(message.path.empty() ? "." : message.path)));
  }

  PullReport finish(const Done& done) {
    if (!walk_.finished() || !content_.idle() || !held_.pages.empty() || !keeper_.root()) {
      throw Error(Kind::Protocol, "the agent says that it is done, and it is not");
    }
    if (done.frames + 1 != line_.frames() || done.skipped < report_.skipped.size()) {
      throw Error(Kind::Protocol, "the agent's counts differ from what came");
    }
    line_.expect_end();
    for (const std::string& path : content_.mistaken()) {
      if (report_.skipped.size() < kMaxReports) report_.skipped.push_back("changed " + percent_encode(path));
    }
    report_.root = *keeper_.root();
    report_.files = done.files;
    report_.directories = done.directories;
    report_.others = done.others;
    report_.bytes = done.bytes;
    report_.skipped_count = done.skipped + content_.mistaken().size();
    report_.flagged = content_.flagged();
    report_.vanished = done.vanished;
    report_.same_directories = walk_.same();
    report_.wanted_directories = walk_.wanted();
    report_.read_files = done.read_files;
    report_.read_bytes = done.read_bytes;
    report_.received_bytes = line_.received_bytes();
    report_.sent_bytes = line_.sent_bytes();
    report_.stripes = line_.stripes();
    return std::move(report_);
  }

  AgentLine& line_;
  store::Store& store_;
  store::Writer& writer_;
  const PullOptions& options_;
  Held held_;
  LinkTable links_;
  WalkIntake walk_;
  OldLists old_;
  Windows windows_;
  PageIntake pages_;
  ContentIntake content_;
  DirectoryKeeper keeper_;
  PullReport report_;
  std::chrono::steady_clock::time_point told_{};
  Clock::time_point noted_ = Clock::now();
  std::uint64_t noted_bytes_ = 0;
  ChunkId noted_node_ = options_.begun ? options_.begun->node : ChunkId{};
};

AgentHello greet(AgentLine& line, const store::Store& store, const std::string& root, bool stripes,
                 bool unasked) {
  std::vector<std::string> offered = known_features();
  if (unasked) offered.emplace_back(kFeatureUnasked);
  if (stripes) offered.emplace_back(kFeatureStripes);
  line.send(FrameType::Hello, Hello{kVersion, offered, store.chunker(), kIdAlgorithmSha256, kDomainPlain});
  line.send(FrameType::Open, Open{root});
  AgentHello hello = decode_agent_hello(line.expect(FrameType::AgentHello).payload);
  if (hello.version != kVersion) {
    throw Error(Kind::Protocol,
                fmt::format("the agent speaks version {} of the tree protocol", hello.version));
  }
  for (const std::string& feature : hello.features) {
    if (!has_feature(offered, feature))
      throw Error(Kind::Protocol, "the agent uses a feature that was not offered");
  }
  if (has_feature(hello.features, kFeatureHeartbeat)) line.start_heart();
  if (has_feature(hello.features, kFeatureStripes)) line.agree_on_stripes();
  (void)decode_opened(line.expect(FrameType::Opened).payload);
  return hello;
}

}  // namespace

PullReport pull_tree(ByteStream& stream, store::Store& store, store::Writer& writer,
                     const std::optional<store::SnapshotRecord>& previous, const std::string& root,
                     const PullOptions& options) {
  AgentLine line(stream, options);
  std::optional<Entry> old_root;
  if (previous && previous->root.type == EntryType::Directory) old_root = previous->root;
  const AgentHello agent =
      greet(line, store, root, options.stripes > 0 && options.open_stripe, options.unasked);
  const bool doubt = previous && store.suffers(previous->id);
  Pull pull(line, store, writer, std::move(old_root), doubt, options, agent.features);
  PullReport report = pull.run();
  report.agent = agent.program;
  return report;
}

}  // namespace bk::pull
