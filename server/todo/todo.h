// The list of work the server has promised to do: files in TODO/<client>/, whose names are their states
// (DESIGN 3).
//
//   .incomplete/RQ<stem>   being written        C<stem>        to do
//   P<stem>                being done           F<stem>.<id>   done; kept some days, then removed
//
// add() is the moment of promise (I1): when it returns, the entry survives power loss.  One add() at a time
// per client (it holds
// TODO/<client>/.lock); claims and ends take the same lock for a moment.  Format of the files:
// docs/formats/todo.md.
#pragma once

#include "common/time/time.h"
#include "proto/request/request.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace bk::server {

struct TodoItem {
  proto::Request request;        // of the newest id
  std::vector<std::string> ids;  // every request that this item answers; each gets the outcome
  std::string by;                // the pushing key's user
  Timestamp taken;               // when it was ingested, the server's clock
  int attempts = 0;
  std::optional<Timestamp> not_before;
  std::string last_error;
};

enum class Added { New, Joined, AlreadyThere };

class TodoList {
 public:
  // `directory` is <home>/TODO.
  explicit TodoList(std::string directory);
  // Adds one request durably.  The same id again (C, P, F or below the client's high-water mark of finished
  // ids) changes nothing. A C of the same stem is joined: it lists both ids.
  [[nodiscard]] Added add(const std::string& client, const proto::Request& request, const std::string& by,
                          Timestamp now);
  // Adds many with a constant number of directory syncs; as durable as add() when it returns.  One answer per
  // request.
  [[nodiscard]] std::vector<Added> add_all(const std::string& client,
                                           const std::vector<proto::Request>& requests, const std::string& by,
                                           Timestamp now);

  [[nodiscard]] std::vector<std::string> clients() const;
  struct Named {
    std::string client, stem;
    char state = 'C';
    TodoItem item;
  };
  // Items in state C or P, oldest first.  A file that cannot be parsed is set aside as "X<name>" and reported
  // through `problems`.
  [[nodiscard]] std::vector<Named> pending(std::vector<std::string>& problems) const;

  // C -> P.  False when it is not there any more.  An existing P of that stem waits: false.
  [[nodiscard]] bool claim(const std::string& client, const std::string& stem);
  // P -> C with the attempt counted.
  void put_back(const std::string& client, const std::string& stem, const TodoItem& item);
  // P -> F<stem>.<id>; only after the receipt is durable (I2).
  void finish(const std::string& client, const std::string& stem, const TodoItem& item);
  // Removes F files older than `keep_before`; their ids stay below the high-water mark.
  void expire(Timestamp keep_before);

 private:
  std::string directory_;
};

}  // namespace bk::server
