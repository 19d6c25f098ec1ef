// The list of work the server has promised to do: files in TODO/<client>/, whose names are their states
// (DESIGN 3).
//
//   .incomplete/RQ<stem>   being written        C<stem>        to do
//   P<stem>                being done           F<stem>.<id>   done; kept some days, then removed
//   X<name>                set aside: could not be parsed
//   X<name>.answered       … and whoever asked was told
//   .done, .done.log       the outcome of every finished id, for ever
//
// add_all() is the moment of promise (I1): when it returns, the entries survive power loss.  Every call takes
// TODO/<client>/.lock for as long as it lasts; nothing is held between calls.  Formats: docs/formats/todo.md.
//
// Errors: Io (also for a damaged C in the way of a new one: pending() clears it away); Config for a client
// whose name is not safe.
#pragma once

#include "common/time/time.h"
#include "proto/receipt/receipt.h"
#include "proto/request/request.h"
#include "server/todo/todo_item.h"

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace bk::server {

enum class Added {
  New,           // a new C
  Joined,        // a C of the same stem was there: it lists this id too
  AlreadyThere,  // this id is queued, at work or finished; nothing changed
  Full,          // the client's list, or the list of ids of this item, is full; nothing changed
};

// Of one client, queued and at work; a flood must end in refusals and not in a full disk.
inline constexpr std::size_t kMaxPending = 100000;
// Ids that one item answers: keeps its file and its snapshot's record small.
inline constexpr std::size_t kMaxAnswers = 1000;

class TodoList {
 public:
  // `directory` is <home>/TODO; made when it is missing.
  explicit TodoList(std::string directory, std::size_t max_pending = kMaxPending);

  // Adds one request durably.  An id that was ever added before changes nothing.
  [[nodiscard]] Added add(const std::string& client, const proto::Request& request, const std::string& by,
                          Timestamp now);
  // Adds many with a constant number of syncs; as durable as add() when it returns.  One answer per request.
  [[nodiscard]] std::vector<Added> add_all(const std::string& client,
                                           const std::vector<proto::Request>& requests, const std::string& by,
                                           Timestamp now);
  // What the server has to say of each id now: `taken` while it is queued or at work, the outcome when it is
  // finished (reason and counters only as long as its F file is kept), nothing for an id never added.
  [[nodiscard]] std::vector<std::optional<proto::Receipt>> answers(const std::string& client,
                                                                   std::span<const std::string> ids);

  [[nodiscard]] std::vector<std::string> clients() const;
  struct Named {
    std::string client, stem;
    char state = 'C';
    TodoItem item;
  };
  // Items in state C or P, oldest first.  A file that cannot be parsed is set aside as "X<name>" and reported
  // through `problems`, one line each; so is a client whose folder cannot be read, and the others go on.
  // `only`: of this client alone.
  [[nodiscard]] std::vector<Named> pending(std::vector<std::string>& problems, const std::string& only = {});
  // Whether pending() set something aside since this was asked last.
  [[nodiscard]] bool take_note_of_set_aside() { return std::exchange(has_set_aside_, false); }

  // Of every stem the F file that ended last (state 'F'), as far as they are kept; a file that cannot be read
  // is reported through `problems`.
  [[nodiscard]] std::vector<Named> newest_finished(std::vector<std::string>& problems) const;

  // Ends what a crash interrupted: a put_back() or finish() that was half done is completed, temporary files
  // go.  Only while nobody works on this client's P files.
  void recover(const std::string& client);
  // C -> P.  False when it is not there any more, or a P of that stem is at work.
  [[nodiscard]] bool claim(const std::string& client, const std::string& stem);
  // The item in state P; nothing when there is none.  Throws Protocol when it cannot be parsed.
  [[nodiscard]] std::optional<TodoItem> working(const std::string& client, const std::string& stem) const;
  // P -> C; `item` holds the counted attempt.  A C of that stem is joined.
  void put_back(const std::string& client, const std::string& stem, const TodoItem& item);
  // P -> F<stem>.<id>, and the outcome of every id is kept for ever; only after the receipt is durable (I2).
  void finish(const std::string& client, const std::string& stem, const TodoItem& item,
              const Finished& finished);
  struct SetAside {
    std::string file;
    std::vector<std::string> ids;  // that can still be read in it, and that nothing else here answers
  };
  // What pending() set aside and nobody answered yet; nothing of a client without a folder.
  [[nodiscard]] std::vector<SetAside> set_aside(const std::string& client);
  // Clients that have such, of those whose folder can be read.
  [[nodiscard]] std::vector<std::string> with_set_aside() const;
  // Keeps this outcome of its ids for ever, and renames the file; only after the receipts are durable (I2).
  // False when somebody else did it meanwhile.
  bool close_set_aside(const std::string& client, const SetAside& entry, const Finished& end);
  // Removes F files finished before `keep_before`.
  void expire(Timestamp keep_before);

 private:
  // What the C and P files of one client say; files that did not change are not read again.
  struct Seen {
    std::uint64_t inode = 0;
    Timestamp changed;
    TodoItem item;
  };
  using Files = std::map<std::string, Seen>;  // by file name

  [[nodiscard]] std::string folder(const std::string& client) const;
  [[nodiscard]] std::string path(const std::string& client, const std::string& file) const;
  const Files& load(const std::string& client, std::vector<std::string>* problems);
  void write_in_place(const std::string& client, const std::string& file, const TodoItem& item);

  std::string directory_;
  std::size_t max_pending_;
  std::map<std::string, Files> seen_;
  bool has_set_aside_ = false;
};

}  // namespace bk::server
