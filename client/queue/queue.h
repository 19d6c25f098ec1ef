// The queue of one server: <home>/requests/<server>/, one file per request, its state the name's first letter
// (docs/formats/queue.md).
//
//   i  being written     C  waiting     P  in progress     F  finished
//
// Two locks.  `.queue` is held for moments by everybody who makes, cancels or moves C files.  `.lock` belongs
// to the one send_request that works on this server; only its holder touches P and F files.
//
// Every change is durable when the function returns.  Errors: Io (also a full disk: nothing changed), and
// Corrupt where one damaged file makes the answer impossible.
#pragma once

#include "client/request/queued.h"
#include "common/io/lock.h"
#include "common/random/random.h"
#include "common/time/time.h"

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace bk::client {

class Queue {
 public:
  // `server` is a configured name, `client` what that server calls us.  Makes the folder.
  Queue(const std::string& home, std::string server, std::string client, const Clock& clock, Random& random);

  // -- for everybody

  struct Wanted {
    std::string module, name;  // a clean absolute path
  };
  struct Added {
    std::string id;       // of the request that will answer this one
    bool merged = false;  // an equal request was already waiting
  };
  // Queues requests: i, durable, C.  A request that is in progress does not merge: its data was read before.
  [[nodiscard]] std::vector<Added> add(const std::vector<Wanted>& wanted);

  struct Entry {
    char state = 'C';
    Queued item;
  };
  struct Listing {
    std::vector<Entry> entries;        // sorted by state, then file name
    std::vector<std::string> damaged;  // file names that could not be read, with the reason
  };
  // What is in the states named, seen at one moment: no request is missed because it moves meanwhile.
  [[nodiscard]] Listing list(std::string_view states = "CPF") const;
  // The request that answers `id`.
  [[nodiscard]] std::optional<Entry> find(std::string_view id) const;

  enum class Cancelled { Done, NotWaiting, Unknown };
  // Ends a waiting request as failed, "cancelled by the user".
  [[nodiscard]] Cancelled cancel(std::string_view module, std::string_view name);

  // -- for the holder of the lock

  [[nodiscard]] std::optional<FileLock> try_lock() const;
  // Finishes what a killed process left half done, removes stale temporary files, sets damaged files aside
  // and returns what it says of them; forgets F files that finished more than `keep` ago.
  [[nodiscard]] std::vector<std::string> recover(std::chrono::seconds keep);
  // C -> P, Preparing under a fresh token.  Nothing when a P of that name exists, or when the C is gone.
  [[nodiscard]] std::optional<Queued> begin(const Queued& waiting);
  // The P file says what `item` says.
  void save(const Queued& item) { save_all({item}); }
  void save_all(const std::vector<Queued>& items);
  // P -> C, Waiting.  A newer equal C joins: one request answers both ids.
  void give_back(const Queued& item);
  // P -> F, Done.
  void finish(const Queued& item);
  // What the cmd of that run left by add_queue; nothing when it left nothing.
  [[nodiscard]] std::optional<Ready> find_ready(const std::string& token) const;
  // Once it stands in the P file.  Not durable: a leftover is harmless and goes at the next recover().
  void drop_ready(const std::string& token) const noexcept;
  // The first of `count` numbers that were never used, all above `mark`.
  [[nodiscard]] std::uint64_t take_counters(std::uint64_t mark, std::uint64_t count);

  [[nodiscard]] const std::string& directory() const { return directory_; }
  [[nodiscard]] const std::string& server() const { return server_; }

 private:
  [[nodiscard]] std::string path(char state, const std::string& stem) const;
  [[nodiscard]] FileLock moment() const;
  [[nodiscard]] Queued make(const Wanted& wanted);
  [[nodiscard]] std::optional<Listing> try_list(std::string_view states) const;
  void forget_old(const std::string& name, const Queued& item, std::chrono::seconds keep);

  std::string directory_, server_, client_;
  const Clock& clock_;
  Random& random_;
};

// Where add_queue leaves its result for the run `token` of a server's queue, durably.
void leave_ready(const std::string& home, const std::string& server, const std::string& token,
                 const Ready& ready);

// <home>/tmp: prepared archives.  Whoever runs cmds holds the shared lock until their results are in P files.
[[nodiscard]] FileLock hold_archives(const std::string& home);
// Removes archives (tmp/<64 hex digits>, tmp/.partial-*) that no request in progress names, in any queue.
// Does nothing while somebody holds the archives; a later call will.
void clean_archives(const std::string& home);

// <home>/spool: dumps that are kept between runs (client/modules/spool.h).  Removes slots that no request in
// progress names and no cmd has changed for `keep`, and of the others what a killed cmd left.  Does nothing
// while somebody holds the archives.
void clean_spool(const std::string& home, std::chrono::seconds keep, Timestamp now);

}  // namespace bk::client
