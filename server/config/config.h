// <home>/backupconfig.toml of a server, checked and ready to use.  Every key: docs/formats/backupconfig.md.
#pragma once

#include "common/config/config.h"

#include <chrono>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace bk::server {

struct Limits {
  std::size_t concurrency = 4;                // pulls at once, over all clients
  int attempts = 5;                           // then a request has failed
  std::vector<std::chrono::seconds> backoff;  // before the 2nd, 3rd … attempt; the last one repeats
  std::chrono::seconds pull_timeout{0};       // one pull may last this long
  std::chrono::seconds idle_timeout{0};       // … and be without progress this long
  std::chrono::seconds turn{0};               // … keep others waiting for its slot this long
  std::chrono::seconds ingest_timeout{0};     // taking one client's requests may last this long
  std::chrono::seconds checkpoint{0};         // how often an unfinished tree is noted
  unsigned stripes = 3;                       // further lines to a far client; 0: none
  unsigned overdue = 3;                       // periods without a success; 0: never
};

struct ServerConfig {
  std::string home;
  std::string file;  // for messages
  std::string host;
  std::vector<std::string> administrators;
  std::string store;                      // absolute
  std::uint64_t store_reserve = 0;        // bytes kept free on its disk
  unsigned store_parity = 0;              // per cent of every pack
  std::string store_key_file;             // absolute; empty: the store is not encrypted
  std::string identity;                   // absolute: the private key that clients know
  std::chrono::seconds keep_finished{0};  // how long F files stay
  Limits limits;
};

// The rows of docs/formats/backupconfig.md.
[[nodiscard]] std::span<const ConfigKey> server_schema();

// Throws Config: file, line, what is wrong and what would be right.
[[nodiscard]] ServerConfig parse_config(std::string_view text, const std::string& file,
                                        const std::string& home);
[[nodiscard]] ServerConfig load_config(const std::string& home);

// The wait after the `attempts`-th failed attempt (1, 2, …).
[[nodiscard]] std::chrono::seconds backoff_after(const Limits& limits, int attempts);

}  // namespace bk::server
