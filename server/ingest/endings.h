// Requests that end without a pull: each gets a receipt, then its outcome is kept (I2).
#pragma once

#include "common/time/time.h"

#include <cstddef>
#include <string>
#include <vector>

namespace bk::server {

// Entries of the work list that could not be read were set aside: every id that can still be read in one and
// that nothing else answers ends as `failed` (65), so that the client asks again and does not wait for ever.
// Harmless to repeat.  One line per entry goes to `told`, for people.  Throws Io.
void answer_set_aside(const std::string& home, const Clock& clock, std::vector<std::string>& told);

// Everything of this client that waits ends as `refused` for `reason`; what is being pulled goes on to its
// own end.  Returns how many entries that were.  Throws Io.
std::size_t end_waiting(const std::string& home, const std::string& client, const std::string& reason,
                        const Clock& clock);

}  // namespace bk::server
