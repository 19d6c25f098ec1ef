#include "server/ingest/endings.h"

#include "common/error/error.h"
#include "common/io/file.h"
#include "common/text/escape.h"
#include "server/ingest/receipts.h"
#include "server/todo/todo.h"

namespace bk::server {
namespace {

void put_receipts(const std::string& home, const std::string& client, const std::vector<std::string>& ids,
                  const Finished& end) {
  const std::string repository = home + "/repositories/" + client + ".git";
  if (ids.empty() || !path_exists(repository)) return;
  std::vector<proto::Receipt> receipts;
  for (const std::string& id : ids) {
    proto::Receipt receipt;
    receipt.id = id;
    receipt.outcome = end.outcome;
    receipt.time = end.time;
    receipt.reason = end.reason;
    receipt.status = end.status;
    receipts.push_back(receipt);
  }
  ReceiptBook(repository).put(receipts);
}

}  // namespace

std::vector<std::string> answer_set_aside(const std::string& home, const std::string& client,
                                          const Clock& clock) {
  TodoList todo(home + "/TODO");
  std::vector<std::string> told;
  for (const TodoList::SetAside& entry : todo.set_aside(client)) {
    const Finished end{proto::Outcome::Failed, kExitCorrupt, "",
                       "the server's entry of this request was damaged and set aside: ask for it again",
                       clock.now()};
    put_receipts(home, client, entry.ids, end);
    if (!todo.close_set_aside(client, entry, end)) continue;
    told.push_back("TODO/" + client + "/" + quoted(entry.file) + ": " +
                   (entry.ids.empty() ? "no request that waits can be read in it, so nobody was told"
                                      : std::to_string(entry.ids.size()) + " requests were answered"));
  }
  return told;
}

std::size_t end_waiting(const std::string& home, const std::string& client, const std::string& reason,
                        const Clock& clock, std::vector<std::string>& told) {
  TodoList todo(home + "/TODO");
  if (!is_directory(home + "/TODO/" + client)) return 0;
  std::size_t ended = 0;
  for (const TodoList::Named& item : todo.pending(told, client)) {
    if (item.state != 'C' || !todo.claim(client, item.stem)) continue;
    const std::optional<TodoItem> claimed = todo.working(client, item.stem);
    if (!claimed) continue;
    const Finished end{proto::Outcome::Refused, kExitRefused, "", reason, clock.now()};
    put_receipts(home, client, claimed->ids, end);
    todo.finish(client, item.stem, *claimed, end);
    ++ended;
  }
  for (const std::string& line : answer_set_aside(home, client, clock)) told.push_back(line);
  return ended;
}

}  // namespace bk::server
