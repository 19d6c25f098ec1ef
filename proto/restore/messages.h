// The messages of the restore stream as values (docs/protocol/restore.md).  Pure: encode() and decode_…() are
// inverses; a payload that is not exactly one message throws Protocol.
#pragma once

#include "common/compress/group.h"
#include "common/restore/sink.h"
#include "common/time/time.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace bk::restore {

inline constexpr std::uint64_t kVersion = 1;
inline constexpr std::uint32_t kMaxEventBytes = 4U << 20U;  // decoded, in one Entries
inline constexpr std::size_t kIdBytes = 16;                 // of a chunk's id in a Group

// What a client wants: a command of bkdb with its words and options, as on a command line.
struct Ask {
  std::string command;             // ls, files, find, export
  std::vector<std::string> words;  // behind it, but for export's DEST
  std::vector<std::string> paths;  // --path
  std::string module, method;      // only these; empty: any
  bool json = false;
  bool keeps = false;  // an earlier restore was cut: Offer what comes, and wait for Keep
  bool operator==(const Ask&) const = default;
};
[[nodiscard]] std::string encode(const Ask& message);
[[nodiscard]] Ask decode_ask(std::string_view payload);

struct Hello {
  std::string program;
  bool operator==(const Hello&) const = default;
};
[[nodiscard]] std::string encode(const Hello& message);
[[nodiscard]] Hello decode_hello(std::string_view payload);

struct Text {  // a piece of what the command prints
  std::string text;
  bool operator==(const Text&) const = default;
};
[[nodiscard]] std::string encode(const Text& message);
[[nodiscard]] Text decode_text(std::string_view payload);

struct Tree {         // one snapshot begins
  std::string entry;  // the name of its root below the destination
  std::string client, module, method, path, snapshot;
  Timestamp began;
  std::uint64_t files = 0, bytes = 0;  // about, for showing progress
  bool operator==(const Tree&) const = default;
};
[[nodiscard]] std::string encode(const Tree& message);
[[nodiscard]] Tree decode_tree(std::string_view payload);

// Calls of RestoreSink, compressed.  `events` is made and read by stream_writer and stream_reader.
struct Entries {
  EncodedGroup body;
};
[[nodiscard]] std::string encode(const Entries& message);
[[nodiscard]] Entries decode_entries(std::string_view payload);

struct Group {
  std::vector<RestorePlace> places;  // of each id only the first kIdBytes
  EncodedGroup group;
};
// The payload in two parts: what the digest in Done covers, and the group's bytes, which the ids cover.
[[nodiscard]] std::string encode_places(const Group& message);
[[nodiscard]] Group decode_group(std::string_view payload);

// The places of a window before its groups; of each id only the first kIdBytes, and no `begin`.
struct Offer {
  std::vector<RestorePlace> places;
};
[[nodiscard]] std::string encode(const Offer& message);
[[nodiscard]] Offer decode_offer(std::string_view payload);

// The answer: which of them are there.
struct Keep {
  std::vector<bool> kept;
  bool operator==(const Keep&) const = default;
};
[[nodiscard]] std::string encode(const Keep& message);
[[nodiscard]] Keep decode_keep(std::string_view payload);

struct Finding {  // something was left out, or comes with a warning
  bool damaged = false;
  std::string path, text;
  bool operator==(const Finding&) const = default;
};
[[nodiscard]] std::string encode(const Finding& message);
[[nodiscard]] Finding decode_finding(std::string_view payload);

struct Done {
  std::uint64_t status = 0;  // the command's exit status
  std::uint64_t frames = 0;  // sent before
  Digest digest{};           // SHA-256 over them, but for the bytes of groups
  bool operator==(const Done&) const = default;
};
[[nodiscard]] std::string encode(const Done& message);
[[nodiscard]] Done decode_done(std::string_view payload);

struct Fail {
  std::uint64_t status = 0;
  std::string text;
  bool operator==(const Fail&) const = default;
};
[[nodiscard]] std::string encode(const Fail& message);
[[nodiscard]] Fail decode_fail(std::string_view payload);

}  // namespace bk::restore
