// Pulls one directory tree from an agent into the store: the driver of the transfer method `rsync`
// (docs/protocol/pull.md).
//
// The agent is not believed: names, sizes, order and counts are checked, every chunk is hashed by the store,
// memory is bounded by constants.
#pragma once

#include "common/digest/sha256.h"
#include "common/tree/entry.h"
#include "server/pull/progress.h"
#include "server/pull/stream.h"
#include "server/store/snapshot.h"
#include "server/store/store.h"

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace bk::pull {

// Opens a further line to the same agent, which is to be asked for "backline stripe <64 hex digits>".  Called
// in a thread of its own, which alone uses what it returns; its failure harms nobody.
using OpenStripe = std::function<std::unique_ptr<ByteStream>(const Digest& ticket)>;

// By SSH: sessions with the agent's own key and command.  `endpoint` as for the line itself.
[[nodiscard]] OpenStripe stripes_over_ssh(const ssh::Endpoint& endpoint);
// Whether further lines pay at this round trip: with a near agent one carries what both processors can.
[[nodiscard]] bool is_far(std::chrono::microseconds round_trip);

struct PullOptions {
  Millis idle{std::chrono::seconds(60)};              // no byte from the agent
  Millis total{std::chrono::hours(24)};               // the whole pull
  Millis heartbeat{std::chrono::seconds(10)};         // the agent hears from us at least so often
  std::function<void(const PullProgress&)> progress;  // called now and then; may throw Cancelled to stop
  // Called at least once a second, unless the store takes longer; may throw Cancelled to stop.
  std::function<void()> poll;
  // What an earlier pull of the source left behind the previous snapshot.
  std::optional<store::CheckpointRecord> begun;
  // Told where the unfinished tree is: now and then, and before an error of the line or a Cancelled is
  // thrown. Only when it is another than the last one; everything in it was put, and is for the callee to
  // sync.
  std::function<void(const Entry& root)> checkpoint;
  Millis checkpoint_every{std::chrono::minutes(3)};
  std::uint64_t checkpoint_bytes = 0;  // not 0: also whenever so many bytes came
  unsigned stripes = 0;                // so many further lines pay; 0: none are asked for
  OpenStripe open_stripe;
  bool unasked = false;                     // the agent is far: new content may come without being asked for
  std::uint64_t stripes_after = 8U << 20U;  // bytes of content: a short pull does not need them
  // Of the time since then that the first line left us waiting; when it is less, the processors are the limit
  // and further lines only cost.  0: asked for without looking.
  unsigned stripes_wait_percent = 50;
};

struct PullReport {
  Entry root;  // name empty; node, listing, has_subdirectories set
  // The whole tree as the agent walked it.
  std::uint64_t files = 0, directories = 0, others = 0, bytes = 0;
  // "<reason>[:<errno name>] <percent path>", as SnapshotRecord::skipped has them: at most 1,000; the count
  // counts all.
  std::vector<std::string> skipped;
  std::uint64_t skipped_count = 0;
  std::uint64_t flagged = 0;  // files stored that changed during every attempt to read them (also in skipped)
  std::uint64_t vanished = 0;  // entries that went away between listing and reading; no fault
  // What it cost.
  std::uint64_t same_directories = 0, wanted_directories = 0;
  std::uint64_t read_files = 0, read_bytes = 0;  // opened by the agent
  std::uint64_t received_bytes = 0, sent_bytes = 0;
  unsigned stripes = 0;  // further lines that joined
  std::string agent;     // program and version
};

// Pulls `root` (the path as queued by the client).  `previous` is the newest snapshot of the same source, if
// any. Everything is in `writer` when it returns, nothing is committed: the caller makes the snapshot record.
// Dropping the writer after an error is harmless (I4).  Throws Refused (the agent does not consent), Protocol
// (the agent broke the protocol), Transient (line, deadline, the agent failed), Io and Corrupt from the
// store.
[[nodiscard]] PullReport pull_tree(ByteStream& stream, store::Store& store, store::Writer& writer,
                                   const std::optional<store::SnapshotRecord>& previous,
                                   const std::string& root, const PullOptions& options = {});

}  // namespace bk::pull
