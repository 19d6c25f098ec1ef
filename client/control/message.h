// What a control repository's commits and trees say: docs/protocol/control.md.  Pure.
#pragma once

#include "proto/request/request.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace bk::client {

inline constexpr std::size_t kMaxRequestsAPush = 1000;
// Half of what the server takes, so that the pack's own bytes never matter.
inline constexpr std::size_t kMaxBytesAPush = 8U << 20U;

struct OutgoingRequest {
  std::string id;
  std::string file_name;  // "RQ<module>:<name part>"
  std::string text;
};
[[nodiscard]] OutgoingRequest outgoing(const proto::Request& request);

// Cuts `all`, in order, into portions that fit one push each: within both limits and without two files of one
// name.
[[nodiscard]] std::vector<std::vector<OutgoingRequest>> portions(std::vector<OutgoingRequest> all);

// "requests from web1: 3", an empty line, "receipts: <commit>" or "receipts: none".
[[nodiscard]] std::string commit_message(std::string_view client, std::size_t count,
                                         std::string_view confirmed);

// The blob `mark`: the highest counter the server has seen.  Throws Protocol.
[[nodiscard]] std::uint64_t parse_mark(std::string_view text);

// "/backup/web1.git" -> "web1".
[[nodiscard]] std::string client_of(std::string_view url_path);

}  // namespace bk::client
