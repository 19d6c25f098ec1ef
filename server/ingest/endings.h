// Requests that end without a pull: each gets a receipt, then its outcome is kept (I2).
#pragma once

#include "common/time/time.h"

#include <cstddef>
#include <string>
#include <vector>

namespace bk::server {

// Entries of the client's work list that could not be read were set aside: every id that can still be read in
// one and that nothing else answers ends as `failed` (65), so that the client asks again and does not wait
// for ever.  Harmless to repeat, and for two at once.  Returns one line per entry, for people.  Throws Io.
std::vector<std::string> answer_set_aside(const std::string& home, const std::string& client,
                                          const Clock& clock);

// Everything of this client that waits ends as `refused` for `reason`; what is being pulled goes on to its
// own end.  What cannot be read goes to answer_set_aside(), and its lines to `told`.  Returns how many
// entries were refused.  Throws Io.
std::size_t end_waiting(const std::string& home, const std::string& client, const std::string& reason,
                        const Clock& clock, std::vector<std::string>& told);

}  // namespace bk::server
