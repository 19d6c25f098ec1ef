// Clients without an agent ask for nothing: the server puts their requests on the work list itself.
#pragma once

#include "common/time/time.h"
#include "server/access/client_rules.h"
#include "server/backup/schedule.h"
#include "server/todo/todo.h"

#include <string>
#include <string_view>

namespace bk::server {

inline constexpr std::string_view kAskedByServer = "server";         // `by` of such a request
inline constexpr std::string_view kAgentlessModule = "directories";  // its module

// The request for `path` that belongs to the period in which `now` lies.  The same for the whole period:
// added twice it changes nothing, and a new one is due when the next begins.  Periods begin at another moment
// for each path, so that not all clients are pulled at once.  Pure.
[[nodiscard]] proto::Request periodic_request(const ClientRules& rules, const std::string& path,
                                              Timestamp now);

// Adds what is due, durably: for each path of each client with `agent = no` the request of this period; with
// `selection.at_once` one of its own for the selected ones that have none waiting in `items`.  True when
// something was added.  Throws Io.
bool ask_for_agentless(const BacklineConf& conf, const std::vector<TodoList::Named>& items, TodoList& todo,
                       const Selection& selection, Timestamp now);

}  // namespace bk::server
