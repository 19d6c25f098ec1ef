// Names to addresses, with a deadline: getaddrinfo(3) itself waits for as long as the system's resolver is
// configured to, which is minutes when name servers are silent.
#pragma once

#include "common/handle/handle.h"

#include <netdb.h>

#include <chrono>
#include <functional>
#include <string>

namespace bk::ssh {

using Addresses = Handle<addrinfo, freeaddrinfo>;
// As getaddrinfo(3).
using Lookup = std::function<int(const char* host, const char* port, const addrinfo* hints, addrinfo** out)>;

// The TCP addresses of a host, in the order to try them.  A numeric address is not looked up.  Throws
// Transient, "<doing>: <why>", also when no answer came in time: the look-up is then left to a thread that
// ends when the resolver gives up, and holds nothing of the caller's.
[[nodiscard]] Addresses resolve(const std::string& host, int port, std::chrono::milliseconds limit,
                                const std::string& doing, Lookup lookup = ::getaddrinfo);

}  // namespace bk::ssh
