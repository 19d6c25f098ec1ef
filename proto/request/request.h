// A request: "please back this up", one small text file that travels client -> server through git.
//
// Text format "bk-request 1" (docs/formats/request.md).  Pure: no I/O, no clock.
// Identity is (client, id); the client is the control repository pushed to, so `client` here is only compared
// with it.
#pragma once

#include "common/time/time.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace bk::proto {

struct Request {
  std::string id;                     // 32 lower-case hex digits
  std::uint64_t counter = 0;          // per client, strictly increasing, from 1
  std::string client;                 // safe name
  std::string module;                 // safe name
  std::string name;                   // what the user named: a clean absolute path, bytes
  std::string method;                 // safe name: git, sftp, rsync, or the administrator's own
  std::string place;                  // clean absolute path on the client where the data lies; never a host
  Timestamp requested;                // when the user asked, by the client's clock: shown, never compared
  std::optional<Timestamp> prepared;  // when the data was ready
  std::optional<std::uint64_t> archive_bytes;  // method sftp: the archive's length …
  std::string archive_sha256;                  // … and 64 hex digits of its SHA-256
  // What the cmd could not read of its source: the snapshot is partial, however well the pull goes.
  std::uint64_t skipped_count = 0;
  std::vector<std::string> skipped;  // "<reason> <percent path>", a sample
  bool operator==(const Request&) const = default;
};

inline constexpr std::size_t kMaxRequestSkipped = 16;        // entries shown …
inline constexpr std::size_t kMaxRequestSkippedBytes = 512;  // … each at most so long
inline constexpr std::size_t kMaxRequestBytes = 64U << 10U;  // one file
inline constexpr std::size_t kMaxNameBytes = 4096;

[[nodiscard]] std::string write_request(const Request& request);
// Throws Protocol with the reason: a missing key, an unsafe name, "..", a relative path, an oversized field …
[[nodiscard]] Request parse_request(std::string_view text);

// File names of requests in queues, TODO folders and commits: "<state><module>:<base64url of the name>", the
// base64 replaced by
// "~" and the name's SHA-256 in hex when the longest form of it would pass 255 bytes (DESIGN 3).
[[nodiscard]] std::string request_stem(std::string_view module,
                                       std::string_view name);  // "<module>:<name part>"

struct StateName {
  std::string state;  // "i", "C", "P", "F" or "RQ"
  std::string stem;   // "<module>:<name part>"
  std::string id;     // "F" files: the id behind the last '.', else empty
};
// Nothing for names that are none of these (locks, temporary files).
[[nodiscard]] std::optional<StateName> parse_state_name(std::string_view file_name);
[[nodiscard]] bool is_request_id(std::string_view text);

}  // namespace bk::proto
