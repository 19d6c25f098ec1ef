// Asking a server for this client's own snapshots.
#pragma once

#include "client/config/config.h"
#include "client/restore/receive.h"
#include "proto/restore/messages.h"

namespace bk::client {

// Connects with the client's own key, asks, and receives.  Throws as receive(), and Transient (no connection,
// a cut or silent line), Refused (host key, key, or not allowed on that server: the reason is in the text).
// A changed host key is marked in `home`, for everybody who connects from here (host_key_mark.h).
[[nodiscard]] int fetch(const std::string& home, const ServerConfig& server, const restore::Ask& ask,
                        const ReceiveTask& task);

// The same from a descriptor: what `bkdb export - --stream` wrote.
[[nodiscard]] int receive_from(int fd, const ReceiveTask& task);

}  // namespace bk::client
