// Waiting for a descriptor, and writing to one, with a deadline and a way to be called off.
#pragma once

#include <chrono>
#include <string_view>

namespace bk::agent {

void set_nonblocking(int fd);

enum class Ready { Yes, Woken, Late };
// Until one of `events` (poll(2)) is there, `wake` becomes readable, or `limit` is over.
[[nodiscard]] Ready wait_for(int fd, short events, int wake, std::chrono::milliseconds limit);

// All of it to a descriptor that does not block.  Throws Transient when the server closed the line or took
// nothing for `limit`, and Cancelled when `wake` is readable.
void write_to_line(int fd, std::string_view bytes, int wake, std::chrono::milliseconds limit);

}  // namespace bk::agent
