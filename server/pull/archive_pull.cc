// Method sftp: one prepared archive.  What arrived before a cut is in the store already; a small file lists
// it, so that the next attempt goes on behind it instead of reading everything again.
#include "common/digest/sha256.h"
#include "common/error/error.h"
#include "common/io/crash.h"
#include "common/io/file.h"
#include "common/text/escape.h"
#include "server/pull/archive_resume.h"
#include "server/pull/driver.h"
#include "server/store/reach.h"
#include "server/store/tree.h"

#include <algorithm>

namespace bk::pull {
namespace {

// A checkpoint costs one odd chunk and one sync; a cut costs at most this much reading again.
constexpr std::uint64_t kSegmentBytes = 64ULL << 20U;

using Clock = std::chrono::steady_clock;

void keep_limits(const Surroundings& around, Clock::time_point end) {
  around.alive();
  around.poll();
  if (Clock::now() > end) throw Error(Kind::Cancelled, "the pull took longer than its time limit");
}

// Feeds what an earlier attempt stored to the digest.  False when the store does not have it any more.
bool replay(store::Store& store, const std::vector<Extent>& extents, Sha256& digest,
            const std::function<void()>& alive) {
  Entry file;
  file.content = extents;
  for (const Extent& extent : extents) file.size += extent.bytes;
  try {
    store::for_each_extent(store, file, [&](const Extent& extent) {
      alive();
      if (extent.kind == Extent::Kind::Chunk) {
        digest.update(store.read(ObjectKind::Data, extent.id));
      } else if (extent.kind == Extent::Kind::Inline) {
        digest.update(extent.inline_data);
      } else {
        throw Error(Kind::Corrupt, "an archive's list names a hole");
      }
    });
    return true;
  } catch (const Error& error) {
    if (error.kind() != Kind::Corrupt) throw;
    (void)digest.finish();
    return false;
  }
}

// Whether all that the extents lead to may be named without being stored again: it can be read, and yet be
// about to be cleaned away, because nothing else leads to it.
bool may_be_named(Surroundings& around, const std::vector<Extent>& extents) {
  Entry root;
  root.type = EntryType::File;
  root.content = extents;
  DiskMap visited(around.store.scratch());
  bool all = true;
  store::for_each_reachable(around.store, root, visited,
                            [&](ObjectKind, const ChunkId& id) { all = all && around.writer.contains(id); });
  return all;
}

class Receiver {
 public:
  Receiver(Surroundings& around, ArchiveResume& resume)
      : around_(around), resume_(resume), end_(Clock::now() + around.total) {
    extents_ = resume.load();
    if (!replay(around.store, extents_, digest_, [&] { keep_limits(around, end_); }) ||
        !may_be_named(around, extents_))
      extents_.clear();
    for (const Extent& extent : extents_) received_ += extent.bytes;
    start_segment();
  }
  void take(std::string_view piece) {
    keep_limits(around_, end_);
    digest_.update(piece);
    received_ += piece.size();
    came_ += piece.size();
    around_.progress(progress());
    segment_bytes_ += piece.size();
    stream_->feed(piece);
    if (segment_bytes_ >= kSegmentBytes) checkpoint();
  }
  // What came so far will be found by the next attempt.
  void checkpoint() {
    end_segment();
    around_.writer.sync();
    resume_.save(extents_);
    crash_point("backup.archive_checkpoint");
    start_segment();
  }
  [[nodiscard]] std::uint64_t received() const { return received_; }
  [[nodiscard]] PullProgress progress() const {
    return {0, 0, received_, came_, around_.writer.totals().stored_bytes};
  }
  [[nodiscard]] Digest finish() {
    end_segment();
    return digest_.finish();
  }
  [[nodiscard]] std::vector<Extent> take_extents() { return std::move(extents_); }

 private:
  void start_segment() {
    stream_ = std::make_unique<store::StreamWriter>(around_.writer, around_.store.chunker());
    segment_bytes_ = 0;
  }
  void end_segment() {
    for (Extent& extent : stream_->finish()) extents_.push_back(std::move(extent));
    stream_.reset();
  }
  Surroundings& around_;
  ArchiveResume& resume_;
  std::vector<Extent> extents_;
  std::unique_ptr<store::StreamWriter> stream_;
  Sha256 digest_;
  Clock::time_point end_;
  std::uint64_t received_ = 0;  // also by earlier attempts
  std::uint64_t came_ = 0;      // now
  std::uint64_t segment_bytes_ = 0;
};

void check_size(const Job& job, const ssh::Sftp::Stat& stat) {
  const std::string place = quoted(job.request.place);
  if (!stat.regular) throw Error(Kind::Protocol, "archive " + place + " on the client is no regular file");
  if (stat.bytes != *job.request.archive_bytes)
    throw Error(Kind::Protocol, "archive " + place + " has " + std::to_string(stat.bytes) +
                                    " bytes on the client, the request says " +
                                    std::to_string(*job.request.archive_bytes));
}

void receive(const Job& job, Surroundings& around, Receiver& receiver) {
  ssh::Session session(around.endpoint);
  ssh::Sftp sftp = around.agent ? ssh::Sftp(session, "backline sftp") : ssh::Sftp(session);
  check_size(job, sftp.stat(job.request.place));
  const std::uint64_t wanted = *job.request.archive_bytes;
  if (receiver.received() == wanted) return;
  const std::uint64_t before = receiver.received();
  try {
    sftp.read_from(
        job.request.place, receiver.received(),
        [&](std::string_view piece) {
          if (piece.size() > wanted - receiver.received())
            throw Error(Kind::Protocol,
                        "archive " + quoted(job.request.place) + " is longer than the request says");
          receiver.take(piece);
        },
        around.endpoint.idle_timeout);
  } catch (const Error& error) {
    if (error.kind() == Kind::Transient || error.kind() == Kind::Cancelled) {
      receiver.checkpoint();
      around.progressed = receiver.received() > before;
    }
    throw;
  }
}

}  // namespace

Pulled pull_archive(const Job& job, Surroundings& around) {
  if (!job.request.archive_bytes)
    throw Error(Kind::Refused, "method sftp needs the archive's length and digest in the request");
  ArchiveResume resume(around.home, job.client, job.request.archive_sha256, *job.request.archive_bytes);
  Receiver receiver(around, resume);
  receive(job, around, receiver);
  const Digest digest = receiver.finish();
  if (receiver.received() != *job.request.archive_bytes || digest.hex() != job.request.archive_sha256) {
    resume.forget();
    throw Error(Kind::Protocol,
                "archive " + quoted(job.request.place) + ": " + std::to_string(receiver.received()) +
                    " bytes with SHA-256 " + digest.hex() + " came, the request says " +
                    std::to_string(*job.request.archive_bytes) + " bytes with " + job.request.archive_sha256);
  }
  Pulled out;
  out.root.type = EntryType::File;
  out.root.mode = 0600;
  out.root.size = receiver.received();
  out.root.mtime = job.request.prepared.value_or(job.request.requested);
  out.root.content = receiver.take_extents();
  out.files = 1;
  out.done = receiver.progress();
  out.bytes = out.root.size;
  out.archive_sha256 = digest.hex();
  out.committed = [resume](const std::string&) { resume.forget(); };
  return out;
}

}  // namespace bk::pull
