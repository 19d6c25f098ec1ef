// What every transfer method offers: pull one source's data into the store.
//
// A driver talks to the client, verifies what came and puts it into the writer; it commits nothing.  Errors:
// Refused (consent, host key), Transient (line, deadline), Protocol (what came is not what was asked for), Io
// and Corrupt (our own disk).
#pragma once

#include "common/ssh/ssh.h"
#include "common/tree/entry.h"
#include "proto/request/request.h"
#include "server/pull/progress.h"
#include "server/pull/tree_rules.h"
#include "server/store/snapshot.h"
#include "server/store/store.h"

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace bk::pull {

struct Job {
  std::string client;
  proto::Request request;
};

struct Surroundings {
  std::string home;      // of the server
  std::string programs;  // folder of the programs: bk_ssh lies there
  ssh::Endpoint endpoint;
  store::Store& store;
  store::Writer& writer;
  std::optional<store::SnapshotRecord> previous;  // newest snapshot of the same source
  Timestamp now;                                  // when the pull began
  std::chrono::milliseconds total{std::chrono::hours(24)};
  // Called whenever something moved; a pull that does not call it for limits.idle_timeout is stopped.
  std::function<void()> alive = [] {};
  bool agent = true;  // false: the client has only an SFTP server
  // How far it is; called now and then beside alive.
  std::function<void(const PullProgress&)> progress = [](const PullProgress&) {};
  // Called often; may throw Cancelled to end the pull: what is stored is kept for the next one.
  std::function<void()> poll = [] {};
  // Trees: what an earlier, unfinished pull left, and how often this one notes what it has.
  std::optional<store::CheckpointRecord> begun = std::nullopt;
  std::chrono::milliseconds checkpoint_every{std::chrono::minutes(3)};
  std::uint64_t checkpoint_bytes = 0;                      // not 0: also whenever so many bytes came
  TreeRules rules = {};                                    // of a client without an agent
  unsigned stripes = 0;                                    // further lines to a far agent, at most
  std::optional<std::uint64_t> quota_left = std::nullopt;  // bytes that the client may still add to the store
  bool progressed = false;  // set by a driver: the next pull of the source has less to do
};

struct Pulled {
  Entry root;  // with an empty name
  std::uint64_t files = 0, directories = 0, others = 0, bytes = 0;
  std::vector<std::string> skipped;  // as SnapshotRecord::skipped
  std::uint64_t skipped_count = 0;
  std::string archive_sha256;
  PullProgress done;  // what it cost
  // After the snapshot with this id was committed; makes the view remember it.  May be empty.
  std::function<void(const std::string& snapshot_id)> committed;
};

using Driver = Pulled (*)(const Job& job, Surroundings& around);

Pulled pull_git(const Job& job, Surroundings& around);
Pulled pull_archive(const Job& job, Surroundings& around);     // method sftp
Pulled pull_directory(const Job& job, Surroundings& around);   // method rsync
Pulled pull_agentless(const Job& job, Surroundings& around);   // method rsync from a client without an agent
Pulled pull_by_program(const Job& job, Surroundings& around);  // the administrator's own methods

// Removes what programs of killed pulls left in <home>/tmp/pulled.  Throws Io.
void clear_pulled(const std::string& home);
// <home>/scripts/cmds/pull_<method>, or "" when there is no such program.
[[nodiscard]] std::string program_path(const std::string& home, std::string_view method);
// Throws Refused for a method that this server does not know, or that needs the agent which is not there.
[[nodiscard]] Driver find_driver(std::string_view method, bool agent, const std::string& home);

}  // namespace bk::pull
