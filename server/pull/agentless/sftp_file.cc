// Files of a tree without an agent: taken over, read, or read on.
#include "proto/pull/messages.h"
#include "server/pull/agentless/sftp_tree.h"
#include "server/pull/agentless/words.h"

#include <sys/stat.h>

#include <utility>

namespace bk::pull {
namespace {

constexpr std::size_t kInlineFile = 512;             // as the agent does it
constexpr std::uint64_t kRetryLimit = 64ULL << 20U;  // a larger file is read once
constexpr int kAttempts = 3;
// Times are whole seconds of the client's clock, our comparison is with our own.
constexpr std::int64_t kYoungSeconds = 2;
constexpr std::uint64_t kSegmentBytes = 64ULL << 20U;

// A beginning that an unfinished pull left: content, and the mark that it is not all.
bool is_beginning(const Entry& entry) { return entry.unreadable && !entry.content.empty(); }

}  // namespace

// Stores a file's bytes in segments, each of which is a beginning that a later pull can go on from.
class SftpTree::Content {
 public:
  Content(Surroundings& around, Reading& reading) : around_(around), reading_(reading) { start(); }
  void take(std::string_view piece) {
    bytes_ += piece.size();
    if (reading_.bytes == 0 && bytes_ <= kInlineFile) {
      small_ += piece;
      return;
    }
    stream_->feed(std::exchange(small_, {}));
    stream_->feed(piece);
    if (bytes_ >= kSegmentBytes) end();
  }
  [[nodiscard]] std::uint64_t bytes() const { return reading_.bytes + bytes_; }
  [[nodiscard]] std::vector<Extent> finish() {
    if (!small_.empty()) return {Extent{Extent::Kind::Inline, small_.size(), {}, std::move(small_)}};
    if (reading_.bytes == 0) return stream_->finish();
    end();
    return reading_.folder.finish();
  }

 private:
  void start() {
    stream_.emplace(around_.writer, around_.store.chunker());
    bytes_ = 0;
  }
  void end() {
    for (Extent& extent : stream_->finish()) reading_.folder.add(std::move(extent));
    reading_.bytes += bytes_;
    start();
  }
  Surroundings& around_;
  Reading& reading_;
  std::optional<store::StreamWriter> stream_;
  std::string small_;
  std::uint64_t bytes_ = 0;  // of this segment
};

// Without reading, what is stored of an equal file; of what an unfinished pull began, known.begun is left.
bool SftpTree::take_over(Entry& entry, Known& known) {
  const auto fits = [&](const std::optional<Entry>& stored, const std::optional<Timestamp>& read_since) {
    return stored && read_since && same_file(*stored, entry, *read_since) &&
           (!doubt_ || store::content_is_there(around_.store, around_.writer, *stored));
  };
  if (known.begun && is_beginning(*known.begun)) {
    Entry beginning = *known.begun;
    beginning.unreadable = false;
    if (!fits(beginning, around_.begun->began)) known.begun.reset();
  } else {
    const bool begun_fits = around_.begun && fits(known.begun, around_.begun->began);
    if (begun_fits) entry.content = std::move(known.begun->content);
    known.begun.reset();
    if (begun_fits) return true;
  }
  if (!around_.previous || !fits(known.old, around_.previous->began)) return false;
  entry.content = std::move(known.old->content);
  return true;
}

bool SftpTree::read_file(Level& level, Entry& entry, const std::optional<Entry>& begun) {
  const std::string path = joined(level.path, entry.name);
  const std::string below = joined(level.below, entry.name);
  const Entry listed = entry;
  bool resumed = begun.has_value();
  try {
    for (int attempt = 1;; ++attempt) {
      start_reading(path, below, listed, resumed ? begun : std::nullopt);
      const Read read = read_once(entry);
      if (read == Read::Whole) break;
      const bool again = attempt < kAttempts && (resumed || entry.size <= kRetryLimit);
      resumed = false;
      if (again) continue;
      report(read == Read::Elsewhere ? kElsewhere : "changed", below);
      if (read == Read::Elsewhere) entry = listed;  // not even its size
      entry.changed_while_read = read == Read::Changed;
      entry.unreadable = read == Read::Elsewhere;
      break;
    }
  } catch (const Error& error) {
    if (!still_there(error, below)) {
      reading_.reset();
      return false;
    }
    entry.unreadable = true;
    entry.content.clear();
  }
  reading_.reset();
  return true;
}

void SftpTree::start_reading(const std::string& path, const std::string& below, const Entry& listed,
                             const std::optional<Entry>& begun) {
  reading_.emplace(Reading{path, below, listed, store::ExtentFolder(around_.writer), 0});
  if (!begun) return;
  for (const Extent& extent : begun->content) {
    reading_->bytes += extent.bytes;
    reading_->folder.add(extent);
  }
}

// The entry holds what came.
SftpTree::Read SftpTree::read_once(Entry& entry) {
  const bool resumed = reading_->bytes > 0;
  Content content(around_, *reading_);
  const auto take = [&](std::string_view piece) {
    out_.done.bytes += piece.size();
    out_.done.received_bytes += piece.size();
    out_.done.directories = out_.directories;
    out_.done.stored_bytes = around_.writer.totals().stored_bytes;
    around_.progress(out_.done);
    content.take(piece);
    keep_limits();  // a file may have no end
    maybe_checkpoint();
  };
  const ssh::Sftp::Around around = sftp_.read_file(reading_->path, take, reading_->bytes);
  ++out_.done.files;
  const Entry& listed = reading_->entry;
  const bool same_as_listed =
      around.before.bytes == listed.size && around.before.mtime == listed.mtime.seconds;
  const std::uint64_t bytes = content.bytes();
  entry.content = content.finish();
  set_facts(entry, around.after);
  entry.size = bytes;
  if (resumed && !same_as_listed) return Read::Changed;
  return judge(around, bytes);
}

// Whether what was opened is what has the name, and stayed so.
SftpTree::Read SftpTree::judge(const ssh::Sftp::Around& around, std::uint64_t bytes) {
  try {
    const ssh::Sftp::Facts named = sftp_.look_at(reading_->path);
    if (named.mode && S_ISLNK(*named.mode)) return Read::Elsewhere;
    if (leads_elsewhere(reading_->path, reading_->below)) return Read::Elsewhere;
    if (!(named == around.after)) return Read::Changed;
  } catch (const Error& error) {
    if (error.kind() != Kind::NotFound) throw;
    return Read::Changed;  // another look tells what became of it
  }
  return around.before == around.after && bytes == around.after.bytes ? Read::Whole : Read::Changed;
}

bool SftpTree::same_file(const Entry& old, const Entry& now, Timestamp read_since) {
  return old.type == EntryType::File && !old.changed_while_read && !old.unreadable && old.size == now.size &&
         old.mtime == now.mtime && now.mtime.seconds + kYoungSeconds < read_since.seconds;
}

}  // namespace bk::pull
