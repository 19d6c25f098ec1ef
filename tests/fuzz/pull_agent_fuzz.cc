// The agent's whole session: a server that answers as its input says, against a small tree.
//
// Most answers are right ones of some kind (all, nothing, every other); now and then one has another number,
// another length, comes twice, is damaged, or nobody asked for it.  Whatever it says, the agent must end in
// time, with Done or with an error of the documented kinds, and no byte of what lies beside the tree may be
// sent.
#include "client/agent/tree_server.h"
#include "common/compress/group.h"
#include "common/delta/delta.h"
#include "common/error/error.h"
#include "common/io/file.h"
#include "proto/pull/features.h"
#include "proto/pull/messages.h"
#include "proto/pull/old_position.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <string>
#include <thread>

namespace {

using namespace bk;        // NOLINT: a harness
using namespace bk::pull;  // NOLINT

constexpr std::string_view kSecret = "THIS LIES BESIDE THE TREE";

struct Input {
  const std::uint8_t* at;
  const std::uint8_t* end;
  std::uint8_t byte() { return at == end ? 0 : *at++; }
  bool rarely() { return byte() > 0xf0; }
};

void put(const std::string& path, const std::string& bytes) {
  const Fd fd = open_file(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
  write_all(fd.get(), bytes);
}

std::string make_tree() {
  std::string top = ::access("/dev/shm", W_OK) == 0 ? "/dev/shm/bk-fuzz-XXXXXX" : "/tmp/bk-fuzz-XXXXXX";
  BK_CHECK(::mkdtemp(top.data()) != nullptr);
  static std::string remembered = top;
  (void)std::atexit([] { remove_tree(remembered); });
  ensure_directory(top + "/tree/a/b");
  ensure_directory(top + "/tree/empty");
  put(top + "/secret", std::string(kSecret));
  put(top + "/tree/a/small", "small");
  put(top + "/tree/a/large", std::string(200'000, 'l') + "end");
  put(top + "/tree/a/b/file", std::string(3000, 'f'));
  for (int i = 0; i < 30; ++i)
    put(top + "/tree/file" + std::to_string(i), std::string(600, static_cast<char>('a' + i % 20)));
  BK_CHECK(::symlink("../secret", (top + "/tree/link").c_str()) == 0);
  BK_CHECK(::symlink("..", (top + "/tree/up").c_str()) == 0);
  BK_CHECK(::mkfifo((top + "/tree/fifo").c_str(), 0600) == 0);
  return top;
}

class FuzzServer {
 public:
  FuzzServer(Input& in, int fd) : in_(in), fd_(fd) {}

  void run(const std::string& root) {
    Hello hello;
    if (!in_.rarely()) hello.features = known_features();
    if (in_.rarely()) hello.features.emplace_back(kFeatureUnasked);
    if (in_.rarely()) hello.chunker = {64U << (in_.byte() % 12U), 16384U, 1U << (in_.byte() % 24U)};
    say(FrameType::Hello, hello);
    say(FrameType::Open, Open{in_.rarely() ? root + "/../" : root});
    std::array<char, 65536> buffer{};
    for (;;) {
      flush();
      pollfd polled{fd_, POLLIN, 0};
      const int ready = ::poll(&polled, 1, 30'000);
      if (ready < 0 && errno == EINTR) continue;  // the fuzzer's own timer
      BK_CHECK(ready > 0);                        // an agent that hangs
      const ssize_t got = ::read(fd_, buffer.data(), buffer.size());
      if (got <= 0) return;
      decoder_.feed({buffer.data(), static_cast<std::size_t>(got)});
      while (auto frame = decoder_.next()) answer(*frame);
    }
  }

 private:
  template <class Message>
  void say(FrameType type, const Message& message) {
    std::string payload = encode(message);
    if (in_.rarely() && !payload.empty())
      payload[in_.byte() % payload.size()] ^= static_cast<char>(in_.byte());
    append_frame(out_, type, payload);
    if (in_.rarely()) append_frame(out_, type, payload);
    if (in_.rarely()) noise();
  }

  void noise() {
    const auto type = static_cast<FrameType>(in_.byte() % 0x60);
    const auto limit = frame_limit(static_cast<std::uint8_t>(type));
    std::string payload;
    for (std::uint8_t left = in_.byte() % 32; left > 0; --left)
      payload.push_back(static_cast<char>(in_.byte()));
    if (limit && payload.size() <= *limit)
      append_frame(out_, type, payload);
    else
      out_ += payload;
  }

  Bitmap bits(std::size_t count, bool allowed(const Entry&) = nullptr,
              const std::vector<Entry>* of = nullptr) {
    Bitmap map;
    const std::uint8_t kind = in_.byte() % 4;
    if (in_.rarely()) count = in_.byte();
    for (std::size_t i = 0; i < count; ++i) {
      const bool may = of == nullptr || i >= of->size() || allowed((*of)[i]) || in_.rarely();
      map.push_back(may && (kind < 2 || (kind == 2 && i % 2 == 0)));
    }
    return map;
  }

  void answer(const Frame& frame) {
    switch (frame.type) {
      case FrameType::Leave:
        return say(FrameType::Verdicts, Verdicts{decode_leave(frame.payload).number, bits(1)});
      case FrameType::Entries: {
        const Entries message = decode_entries(frame.payload);
        const auto page = decode_page(
            GroupDecoder().decode(message.body.codec, message.body.bytes, message.body.content_bytes));
        const auto is_file = [](const Entry& entry) { return entry.type == EntryType::File; };
        if (in_.byte() % 2 == 0) old_versions(message.page, page.size());
        return say(FrameType::Wants, Wants{message.page, bits(page.size(), is_file, &page)});
      }
      case FrameType::Recipe: {
        const Recipe message = decode_recipe(frame.payload);
        std::size_t chunks = 0;
        for (const RecipeItem& item : message.items) {
          chunks += std::holds_alternative<ChunkItem>(item) ? 1U : 0U;
          if (const auto* text = std::get_if<InlineItem>(&item))
            BK_CHECK(text->bytes.find(kSecret) == std::string::npos);
        }
        if (chunks > 0 && in_.byte() % 2 == 0) signatures(message.batch, chunks);
        if (chunks > 0) say(FrameType::Need, Need{message.batch, bits(chunks)});
        return;
      }
      case FrameType::Delta: {
        const Delta message = decode_delta(frame.payload);
        const std::string content =
            decoder_of_groups_.decode(message.body.codec, message.body.bytes, message.body.content_bytes);
        BK_CHECK(content.find(kSecret) == std::string::npos);
        return;
      }
      case FrameType::Group: {
        const Group message = decode_group(frame.payload);
        const std::string content =
            decoder_of_groups_.decode(message.group.codec, message.group.bytes, message.group.content_bytes);
        BK_CHECK(content.find(kSecret) == std::string::npos);
        return;
      }
      default:
        if (in_.rarely()) noise();
    }
  }

  // Old versions that have much in common with what is there, or nothing.
  void old_versions(std::uint64_t page, std::size_t entries) {
    OldFiles files{page, std::string(kSaltBytes, 's'), bits(entries)};
    say(FrameType::OldFiles, files);
    for (std::size_t i = 0; i < files.files.size() && i < kMaxPageEntries; ++i) {
      if (!files.files.test(i) && !in_.rarely()) continue;
      OldContent content{page, i, !in_.rarely(), {}};
      for (std::uint8_t left = in_.byte() % 16; left > 0; --left) {
        const std::string guess(in_.byte() % 2 == 0 ? 65536U : 600U,
                                static_cast<char>('a' + in_.byte() % 20));
        content.ids.push_back(old_id(files.salt, chunk_id(ObjectKind::Data, guess)));
      }
      say(FrameType::OldContent, content);
    }
  }

  void signatures(std::uint64_t batch, std::size_t chunks) {
    const std::string old(in_.byte() * 16U, static_cast<char>('a' + in_.byte() % 20));
    Signatures message{batch, {{in_.byte() % chunks, 1, 256, block_sums(old + "x", 256)}}};
    if (in_.rarely()) message.windows[0].count = in_.byte() + 1U;
    if (message.windows[0].first + message.windows[0].count > kMaxBatchItems) return;
    say(FrameType::Signatures, message);
  }

  void flush() {
    if (in_.rarely()) out_.resize(out_.size() / 2);
    if (!out_.empty()) (void)!::write(fd_, out_.data(), out_.size());
    out_.clear();
    if (in_.rarely()) ::shutdown(fd_, SHUT_WR);
  }

  Input& in_;
  int fd_;
  FrameDecoder decoder_;
  GroupDecoder decoder_of_groups_;
  std::string out_;
};

void serve(const std::string& root, int fd) {
  agent::TreeRoot consented;
  consented.path = root;
  agent::Deadlines deadlines;
  deadlines.peer = deadlines.write = std::chrono::milliseconds(400);
  try {
    (void)agent::serve_tree({consented}, fd, fd, deadlines);
  } catch (const Error& error) {
    const Kind kind = error.kind();
    BK_CHECK(kind == Kind::Protocol || kind == Kind::Transient || kind == Kind::Refused);
  }
  ::shutdown(fd, SHUT_RDWR);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const std::string top = make_tree();
  (void)::signal(SIGPIPE, SIG_IGN);
  std::array<int, 2> ends{};
  BK_CHECK(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) == 0);
  const Fd ours(ends[0]), theirs(ends[1]);
  std::thread agent([&] { serve(top + "/tree", theirs.get()); });
  Input in{data, data + size};
  FuzzServer(in, ours.get()).run(top + "/tree");
  ::shutdown(ours.get(), SHUT_RDWR);
  agent.join();
  return 0;
}
