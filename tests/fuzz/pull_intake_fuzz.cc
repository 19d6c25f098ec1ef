// The server's whole intake of a tree: an agent that behaves as its input says, against a real store with a
// previous snapshot.
//
// Most of what it says is the next due message of a small tree, so that deep states are reached; now and then
// one is out of order, damaged, or about something that was never asked.  Whatever it does, the pull must end
// in Protocol, Transient or Refused, or in a tree of which every node and chunk is there and nothing is
// another client's; and so is what a checkpoint
// holds at any moment.
#include "common/chunk/chunk_id.h"
#include "common/delta/delta.h"
#include "common/error/error.h"
#include "proto/pull/features.h"
#include "proto/pull/listing.h"
#include "server/store/tree.h"
#include "tests/support/pull_script.h"
#include "tests/support/pull_world.h"

#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <deque>
#include <memory>
#include <optional>
#include <utility>

namespace {

using namespace bk;        // NOLINT: a harness
using namespace bk::pull;  // NOLINT
using namespace bk::test;  // NOLINT

constexpr std::string_view kSecret =
    "what another client stored, and this one has never had: more than 512 bytes are not needed";

class Input {
 public:
  Input(const std::uint8_t* data, std::size_t size) : at_(data), end_(data + size) {}
  [[nodiscard]] bool empty() const { return at_ == end_; }
  std::uint8_t byte() { return at_ == end_ ? 0 : *at_++; }
  std::uint64_t below(std::uint64_t limit) { return byte() % limit; }
  bool rarely() { return byte() > 0xf4; }
  std::string bytes(std::size_t count) {
    std::string taken;
    while (taken.size() < count && at_ != end_) taken.push_back(static_cast<char>(*at_++));
    return taken;
  }

 private:
  const std::uint8_t* at_;
  const std::uint8_t* end_;
};

class FuzzAgent final : public ByteStream {
 public:
  explicit FuzzAgent(Input& in) : in_(in) {
    AgentHello hello{kVersion, {}, "fuzz"};
    if (in_.below(2) == 0) hello.features = known_features();
    if (in_.rarely()) hello.features.emplace_back(kFeatureUnasked);
    say(FrameType::AgentHello, hello);
    say(FrameType::Opened, Opened{});
  }

  std::size_t read(void* buffer, std::size_t size, Millis) override {
    if (out_.empty() && !ended_) speak();
    const std::size_t count = std::min(size, out_.size());
    std::memcpy(buffer, out_.data(), count);
    out_.erase(0, count);
    return count;
  }
  std::size_t try_read(void* buffer, std::size_t size) override { return read(buffer, size, {}); }
  bool wait(Millis) override { return true; }
  std::optional<int> exit_status(Millis) override { return in_.rarely() ? std::nullopt : std::optional(0); }

  void write(std::string_view bytes, Millis) override {
    decoder_.feed(bytes);
    while (auto frame = decoder_.next()) hear(*frame);
  }

 private:
  struct Page {
    std::uint64_t number = 0;
    std::vector<Entry> entries;
    std::deque<std::size_t> wanted;
  };
  struct Batch {
    std::uint64_t number = 0;
    std::vector<std::string> chunks;
  };

  template <class Message>
  void say(FrameType type, const Message& message) {
    std::string payload = encode(message);
    if (in_.rarely() && !payload.empty()) payload[in_.below(payload.size())] ^= static_cast<char>(in_.byte());
    if (in_.rarely()) payload.resize(payload.size() - std::min<std::size_t>(payload.size(), in_.below(4)));
    append_frame(out_, type, payload);
    ++frames_;
    if (in_.rarely()) out_ += std::string(out_);
  }

  void hear(const Frame& frame) {
    if (frame.type == FrameType::Verdicts) {
      const Verdicts verdicts = decode_verdicts(frame.payload);
      for (std::size_t i = 0; i < verdicts.want.size(); ++i) {
        if (verdicts.want.test(i)) wanted_.push_back(verdicts.first + i);
      }
    } else if (frame.type == FrameType::Wants) {
      const Wants wants = decode_wants(frame.payload);
      for (Page& page : pages_) {
        for (std::size_t i = 0; page.number == wants.page && i < wants.content.size(); ++i)
          if (wants.content.test(i)) page.wanted.push_back(i);
      }
    } else if (frame.type == FrameType::OldFiles) {
      old_ = decode_old_files(frame.payload);
    } else if (frame.type == FrameType::Signatures) {
      signatures_ = decode_signatures(frame.payload);
    } else if (frame.type == FrameType::Need) {
      const Need need = decode_need(frame.payload);
      for (Batch& batch : batches_) {
        for (std::size_t i = batch.chunks.size(); batch.number == need.batch && i-- > 0;)
          if (i >= need.chunks.size() || !need.chunks.test(i))
            batch.chunks.erase(batch.chunks.begin() + static_cast<std::ptrdiff_t>(i));
      }
      while (!batches_.empty() && batches_.front().chunks.empty()) batches_.pop_front();
    }
  }

  void speak() {
    if (in_.empty()) {
      finish();
    } else if (in_.rarely()) {
      noise();
    } else {
      due();
    }
  }

  // What an honest agent might say next.
  void due() {
    const std::uint64_t choice = in_.below(8);
    if (!batches_.empty() && choice < 5) return group();
    while (!pages_.empty() && pages_.front().wanted.empty()) pages_.pop_front();
    if (!pages_.empty() && choice < 6) return recipe();
    if (!wanted_.empty() && choice < 7) return page();
    if (depth_ > 0 && choice % 2 == 0) return leave();
    if (depth_ > 0) return enter();
    finish();
  }

  void finish() {
    while (depth_ > 0 && !in_.rarely()) leave();
    if (!batches_.empty()) return group();
    while (!pages_.empty() && pages_.front().wanted.empty()) pages_.pop_front();
    if (!pages_.empty()) return recipe();
    if (!wanted_.empty()) return page();
    Done done;
    done.frames = frames_;
    say(FrameType::Done, done);
    ended_ = true;
  }

  void noise() {
    const auto type = static_cast<FrameType>(0x40 + in_.below(0x40));
    const auto limit = frame_limit(static_cast<std::uint8_t>(type));
    if (!limit) {
      out_ += in_.bytes(9);
      return;
    }
    append_frame(out_, type, in_.bytes(std::min<std::size_t>(*limit, in_.byte())));
    ++frames_;
  }

  void enter() {
    last_name_ = static_cast<char>('a' + (in_.below(8) + (depth_ % 3 == 0 ? 0U : 1U)) % 26);
    say(FrameType::Enter, Enter{std::string(1, last_name_)});
    ++depth_;
  }

  void leave() {
    Leave message;
    message.number = next_leave_++;
    message.entries = in_.below(4);
    message.unreadable = in_.rarely();
    message.stat.inode = in_.below(4);
    message.stat.mtime.seconds = static_cast<std::int64_t>(in_.below(3));
    // Of these few listings, the previous snapshot knows some.
    shapes_.push_back(in_.below(6));
    message.listing = Sha256::of(records(entries_of(shapes_.back())));
    if (in_.rarely()) message.xattrs = {{"user.x", in_.bytes(20)}};
    say(FrameType::Leave, message);
    --depth_;
  }

  static std::string records(const std::vector<Entry>& entries) {
    PayloadWriter records;
    for (const Entry& entry : entries) append_record(records, entry);
    return std::string(records.view());
  }

  // A directory of a few shapes: files, hard links, a subdirectory that may have been entered, a symlink.
  static std::vector<Entry> entries_of(std::uint64_t shape) {
    std::vector<Entry> entries;
    for (std::uint64_t i = 0; i < shape; ++i) {
      Entry entry = script_file(std::string(1, static_cast<char>('a' + 2 * i)), (i % 3) * 700);
      entry.inode = 10 + i % 3;
      entry.links = 1 + i % 2;
      if (i == 3) {
        entry = {};
        entry.type = EntryType::Directory;
        entry.name = "g";
      }
      if (i == 4) {
        entry.type = EntryType::Symlink;
        entry.target = "t";
        entry.size = 1;
      }
      entries.push_back(entry);
    }
    return entries;
  }

  void page() {
    Page page{next_page_++,
              entries_of(in_.rarely() ? in_.below(6) : shapes_[wanted_.front() % shapes_.size()]),
              {}};
    if (in_.rarely() && !page.entries.empty()) page.entries[0].size = in_.below(9) * 1000;
    if (in_.rarely() && !page.entries.empty())
      page.entries[0].ctime.seconds = static_cast<std::int64_t>(in_.byte());
    Entries message;
    message.page = page.number;
    message.directory = wanted_.front();
    message.last = !in_.rarely();
    message.listing = Sha256::of(records(page.entries));
    message.body.bytes = encode_page(page.entries);
    message.body.content_bytes = static_cast<std::uint32_t>(message.body.bytes.size());
    if (message.last) wanted_.pop_front();
    pages_.push_back(std::move(page));
    say(FrameType::Entries, message);
  }

  std::string chunk(std::size_t size) { return std::string(size, static_cast<char>('0' + in_.below(4))); }

  void recipe() {
    Page& page = pages_.front();
    Recipe message{next_batch_++, {}};
    Batch batch{message.batch, {}};
    for (std::uint64_t files = 1 + in_.below(3); files > 0 && !page.wanted.empty(); --files) {
      const std::size_t index = page.wanted.front();
      page.wanted.pop_front();
      message.items.emplace_back(BeginFile{page.number, index, {}});
      content(page.entries[index].size, message, batch);
      if (std::exchange(kept_, false) && !in_.rarely()) message.items.emplace_back(SumItem{in_.byte()});
      if (in_.rarely()) continue;
      EndFile end{static_cast<FileStatus>(in_.rarely() ? in_.below(4) : 0), {}};
      if (in_.rarely()) end.after = stat_of(page.entries[index]);
      message.items.emplace_back(end);
    }
    if (in_.rarely()) unasked(message, batch);
    if (!batch.chunks.empty()) batches_.push_back(std::move(batch));
    say(FrameType::Recipe, message);
  }

  void unasked(Recipe& message, Batch& batch) {
    UnaskedItem item;
    std::vector<std::string> come;
    for (std::string& piece : batch.chunks) {
      item.chunks.push_back(!in_.rarely());
      if (item.chunks.test(item.chunks.size() - 1)) come.push_back(std::move(piece));
    }
    if (come.empty()) return;
    batch.chunks = std::move(come);
    message.items.emplace_back(std::move(item));
  }

  void content(std::uint64_t size, Recipe& message, Batch& batch) {
    while (size > 0) {
      const std::uint64_t piece = in_.rarely() ? 1 + in_.below(2 * size) : std::min<std::uint64_t>(size, 350);
      size -= std::min(size, piece);
      const bool may_keep = old_ && old_->page == pages_.front().number;
      switch (in_.below(may_keep ? 8 : 6)) {
        case 6:
        case 7:
          kept_ = true;
          message.items.emplace_back(
              KeptItem{static_cast<std::int64_t>(in_.below(8)) - (in_.rarely() ? 4 : 0), 1 + in_.below(3)});
          break;
        case 0:
          message.items.emplace_back(HoleItem{piece});
          break;
        case 1:
          message.items.emplace_back(InlineItem{chunk(piece)});
          break;
        default:
          batch.chunks.push_back(in_.rarely() ? std::string(kSecret) : chunk(piece));
          message.items.emplace_back(ChunkItem{static_cast<std::uint32_t>(batch.chunks.back().size()),
                                               chunk_id(ObjectKind::Data, batch.chunks.back())});
          // The secret's id is known, its content is not.
          if (batch.chunks.back() == kSecret) batch.chunks.back().assign(kSecret.size(), '?');
      }
    }
  }

  void group() {
    std::string content;
    for (const std::string& piece : batches_.front().chunks) content += piece;
    Group message{batches_.front().number, {Codec::Raw, content, static_cast<std::uint32_t>(content.size())}};
    if (in_.rarely()) message.group.codec = static_cast<Codec>(in_.below(3));
    const bool signed_batch = signatures_ && signatures_->batch == message.batch;
    if (signed_batch ? in_.below(4) != 0 : in_.rarely()) return delta(message.group);
    batches_.pop_front();
    say(FrameType::Group, message);
  }

  // The whole batch as one delta of its first window, or something like it.
  void delta(const EncodedGroup& whole) {
    Delta message{batches_.front().number, {}, whole};
    const std::size_t windows = signatures_ ? signatures_->windows.size() : in_.below(3);
    for (std::size_t i = 0; i < windows; ++i) {
      message.lengths.push_back(static_cast<std::uint32_t>(in_.rarely() ? in_.byte() : 0));
    }
    if (windows == 1 && in_.below(4) != 0) {
      const std::string made =
          signatures_ ? make_delta(signatures_->windows[0].sums, signatures_->windows[0].block, whole.bytes)
                      : in_.bytes(in_.byte());
      message.lengths[0] = static_cast<std::uint32_t>(made.size());
      message.body = {Codec::Raw, made, static_cast<std::uint32_t>(made.size())};
      if (in_.rarely() && !made.empty()) message.body.bytes[in_.below(made.size())] ^= 1;
    }
    batches_.pop_front();
    signatures_.reset();
    say(FrameType::Delta, message);
  }

  Input& in_;
  FrameDecoder decoder_;
  std::string out_;
  std::optional<OldFiles> old_;
  std::optional<Signatures> signatures_;
  bool kept_ = false;
  std::deque<std::uint64_t> wanted_;
  std::deque<Page> pages_;
  std::deque<Batch> batches_;
  std::vector<std::uint64_t> shapes_{0};
  std::uint64_t depth_ = 1, next_leave_ = 0, next_page_ = 0, next_batch_ = 0, frames_ = 0;
  char last_name_ = 'a';
  bool ended_ = false;
};

// Every node and chunk below `root` can be read, and none is the secret.
void check_whole(store::Store& store, const ChunkId& root) {
  std::deque<ChunkId> left{root};
  const ChunkId secret = chunk_id(ObjectKind::Data, kSecret);
  for (; !left.empty(); left.pop_front()) {
    store::DirectoryReader reader(store, left.front());
    std::string last;
    while (auto entry = reader.next()) {
      BK_CHECK(entry->name > last);
      last = entry->name;
      if (entry->type == EntryType::Directory) left.push_back(entry->node);
      if (entry->type != EntryType::File || entry->unreadable) continue;
      std::uint64_t bytes = 0;
      store::for_each_extent(store, *entry, [&](const Extent& extent) {
        bytes += extent.bytes;
        if (extent.kind != Extent::Kind::Chunk) return;
        BK_CHECK(extent.id != secret);
        BK_CHECK(store.read(ObjectKind::Data, extent.id).size() == extent.bytes);
      });
      BK_CHECK(bytes == entry->size);
    }
  }
}

std::unique_ptr<PullWorld> make_world() {
  if (std::getenv("TEST_TMPDIR") == nullptr && ::access("/dev/shm", W_OK) == 0)
    ::setenv("TEST_TMPDIR", "/dev/shm/", 1);
  auto world = std::make_unique<PullWorld>();
  const auto other = world->writer("other");
  (void)other->put(ObjectKind::Data, kSecret);
  other->sync();
  return world;
}

// What one pull leaves to the next.
struct Left {
  std::optional<store::SnapshotRecord> snapshot;
  std::optional<store::CheckpointRecord> begun;
};

void play(PullWorld& world, Input& in, const std::string& client, Left& left) {
  FuzzAgent agent(in);
  const auto writer = world.writer(client);
  PullOptions options;
  options.begun = left.begun;
  options.checkpoint_every = Millis(in.rarely() ? 0 : 1'000'000);
  options.checkpoint_bytes = in.byte() * 16U;
  options.checkpoint = [&](const Entry& root) {
    writer->sync();
    check_whole(world.store(), root.node);
    left.begun.emplace();
    left.begun->node = root.node;
    left.begun->has_subdirectories = root.has_subdirectories;
  };
  try {
    const PullReport report = pull_tree(agent, world.store(), *writer, left.snapshot, "/r", options);
    writer->sync();
    check_whole(world.store(), report.root.node);
    left.snapshot.emplace().root = report.root;
    left.begun.reset();
  } catch (const Error& error) {
    if (error.kind() != Kind::Protocol && error.kind() != Kind::Transient && error.kind() != Kind::Refused)
      throw;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static std::unique_ptr<PullWorld> world;
  static int runs = 0;
  if (runs++ % 2000 == 0) world = make_world();
  Input in(data, size);
  const std::string client =
      "web" + std::to_string(runs);  // what earlier inputs stored is none of its business
  Left left;
  for (int pull = 0; pull < 3; ++pull) play(*world, in, client, left);
  return 0;
}
