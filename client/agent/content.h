// File content on its way to the server: chunked, hashed, gathered in batches, sent as far as the server
// needs it.
#pragma once

#include "client/agent/delta_answer.h"
#include "client/agent/line.h"
#include "client/agent/old_content.h"
#include "client/agent/prefetch.h"
#include "client/agent/sent_chunks.h"
#include "client/agent/walker.h"
#include "common/chunk/chunk_id.h"
#include "common/chunk/file_cutter.h"
#include "proto/pull/messages.h"

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace bk::agent {

// Collects recipe items into batches of about 1 MiB of content, across files.
class Batcher {
 public:
  // `wait` is called when too much is on its way: it handles at least one message of the server.
  // `unasked`: that feature is in use.
  Batcher(Line& line, std::function<void()> wait, bool unasked) : line_(line), wait_(std::move(wait)) {
    if (unasked) sent_.emplace();
  }
  void add(pull::RecipeItem item);
  // `resembles`: the server may have old bytes like these, so that asking it may pay.
  void add_chunk(std::string_view content, const ChunkId& id, bool resembles);
  // The next chunk is one of the old version (OldContents::look_up()).
  void add_kept(std::int64_t skip);
  // Sends the recipe of what was collected.
  void flush();
  // Sends what was collected and handles at least one message of the server.
  void flush_and_wait();
  // What the server has of old bytes that resemble the oldest open batch.  Throws Protocol when it is not
  // due.
  void take(pull::Signatures signatures);
  // The server's answer for the oldest open batch.  Throws Protocol when it is not.
  void answer(const pull::Need& need);
  [[nodiscard]] bool idle() const { return open_.empty() && items_.empty(); }
  [[nodiscard]] bool has_items() const { return !items_.empty(); }

 private:
  // How much content may wait for the server's need: what a round trip takes, as far as memory allows.
  [[nodiscard]] std::size_t room() const;
  [[nodiscard]] bool may_come_unasked() const;
  [[nodiscard]] pull::Bitmap choose_unasked();
  void send_unasked(pull::Bitmap chunks);
  void learn_from(const BatchContent& batch, const pull::Bitmap& need);
  Line& line_;
  std::function<void()> wait_;
  std::vector<pull::RecipeItem> items_;
  std::size_t item_bytes_ = 0;
  BatchContent current_;
  bool resembles_ = false;  // some of current_ does
  std::deque<BatchContent> open_;
  std::optional<SentChunks> sent_;              // when content may come unasked
  unsigned in_need_ = 0;                        // Needs in a row that asked for nearly everything
  std::optional<pull::Signatures> signatures_;  // of the oldest open batch
  GroupEncoder encoder_;                        // of deltas
  std::size_t open_bytes_ = 0;
  using Clock = std::chrono::steady_clock;
  std::deque<Clock::time_point> asked_;  // when the recipes of open_ were sent
  Clock::duration round_trip_{0};        // the shortest so far: the others waited in queues, too
  std::uint64_t next_batch_ = 0;
};

// Reads regular files into a batcher.
class FileReader {
 public:
  FileReader(WalkContext& context, Batcher& batcher, OldContents& old, Line& line,
             const ChunkerParams& params);
  // Sends `entry` of page `page`, which was opened before, reopening it by name in `directory` when that
  // failed or it changed meanwhile.  Everything that can happen to one file ends in an EndFile item.
  // `begun`: so many bytes of it are stored, and stay when it is still what the page says.
  void read(int directory, std::string_view path, const Entry& entry, std::uint64_t page, std::uint64_t index,
            OpenedFile opened, std::uint64_t begun = 0);
  // Says of a wanted file that it could not be opened: vanished or unreadable, as `error` means.
  void give_up(std::string_view path, const Entry& entry, std::uint64_t page, std::uint64_t index, int error);
  [[nodiscard]] std::uint64_t files() const { return files_; }
  [[nodiscard]] std::uint64_t bytes() const { return bytes_; }
  // Of the file that is being read, so far.
  [[nodiscard]] std::uint64_t current_bytes() const { return current_bytes_; }

 private:
  enum class Outcome { Stable, Changed, Unreadable };
  struct Attempt {
    Outcome outcome = Outcome::Stable;
    int error = 0;
    struct stat after {};
    std::uint64_t bytes = 0;  // content sent
  };
  [[nodiscard]] Attempt read_once(const OpenedFile& file, const pull::BeginFile& begin, std::uint64_t from);
  [[nodiscard]] bool is_still(const Entry& entry, const struct stat& now) const;
  [[nodiscard]] int send_content(const OpenedFile& file, std::uint64_t& sent);
  [[nodiscard]] int send_sparse(int fd, std::uint64_t size, std::uint64_t& sent);
  // `have` bytes of it are in buffer_ already.
  [[nodiscard]] int send_range(int fd, std::uint64_t from, std::uint64_t to, std::uint64_t& sent,
                               std::size_t have = 0);
  void begin_cutting(const OpenedFile& file);
  [[nodiscard]] std::size_t cut_and_add(std::string_view& rest, std::uint64_t at, bool at_end);
  void add_chunk(std::string_view content, const ChunkId& id);
  void end(pull::FileStatus status, const Entry& entry, const struct stat* after, std::uint64_t bytes);
  [[nodiscard]] std::vector<Xattr> attributes(int fd, std::string_view path, std::string_view name);

  WalkContext& context_;
  Batcher& batcher_;
  OldContents& old_;
  Line& line_;
  FileCutter cutter_;
  std::string buffer_;
  std::vector<ObjectContent> cuts_;  // in buffer_
  std::uint64_t files_ = 0, bytes_ = 0, current_bytes_ = 0;
  pull::ChunkSum sum_;            // of the file being read, when it has an old version
  bool attributes_lost_ = false;  // some of those of the file that is read
  bool kept_ = false;             // some of its chunks were
  std::uint64_t told_base_ = 0;
};

}  // namespace bk::agent
