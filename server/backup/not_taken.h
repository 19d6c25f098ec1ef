// The state of a client whose requests could not be taken out of its control repository when that was last
// tried: a small file, <home>/log/not-taken/<client>.  It goes when they are taken again.
#pragma once

#include "common/log/log.h"
#include "common/time/time.h"

#include <string>
#include <vector>

namespace bk::server {

struct NotTaken {
  std::string client;
  Timestamp since;     // the first time in a row
  std::string reason;  // of the last time; one line
};

// Notes it durably; a notice when it is news: the first time, or for another reason.  Returns the line for
// people.  Throws Io.
std::string note_not_taken(const std::string& home, const std::string& client, const std::string& reason,
                           Timestamp now, const Log& log);
// Durable.  False when it was not noted.
bool forget_not_taken(const std::string& home, const std::string& client);
// One line for people.
[[nodiscard]] std::string describe_not_taken(const NotTaken& mark);
// Sorted by client; one that cannot be read has that for its reason.
[[nodiscard]] std::vector<NotTaken> list_not_taken(const std::string& home);

}  // namespace bk::server
