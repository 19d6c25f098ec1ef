// Ends a program that serves a server over a line that carries nothing any more.
//
// git upload-pack and sftp-server wait for ever for a server that has vanished without a word, as long as
// what stands in between (a proxy, a router) keeps TCP content.  They own the line, so what tells is the
// bytes that they read and write; git says something every five seconds while it computes.
#pragma once

#include "common/process/process.h"

#include <chrono>
#include <cstdint>

namespace bk::agent {

// Longer than a server at work is ever silent, and short enough for a few left-overs at a time.
inline constexpr std::chrono::minutes kLongestIdle{5};

struct Ended {
  int status = 0;             // as Child::wait
  std::uint64_t written = 0;  // bytes, whatever it wrote to; 0 where the kernel does not say
};

// Waits for the child.  One that neither read nor wrote a byte for `limit` is ended, and
// Transient thrown.  Where the kernel does not say (/proc is not mounted) there is no limit.
[[nodiscard]] Ended wait_while_busy(Child& child, std::chrono::milliseconds limit = kLongestIdle);

}  // namespace bk::agent
