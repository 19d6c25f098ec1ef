// What `send_request --status` and `backup_it --list` show of queues.
#pragma once

#include "client/queue/queue.h"
#include "common/ssh/host_key_mark.h"
#include "common/time/time.h"

#include <string>
#include <vector>

namespace bk::client {

// The queue of one server, and how far pulls are, as a table for people.
[[nodiscard]] std::string status_table(const std::string& home, const Queue& queue);

// All of these queues as one JSON document: the requests, and for each source the last success that is still
// listed (finished requests stay a week).  Paths as percent form and base64; times exact.  `changed`: servers
// that showed another host key than the pinned one.
[[nodiscard]] std::string status_json(const std::string& home, const std::vector<Queue>& queues,
                                      const std::vector<ssh::HostKeyMark>& changed, Timestamp now);

}  // namespace bk::client
