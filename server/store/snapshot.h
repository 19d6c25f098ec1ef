// The record of one finished backup: text in the family of common/text/document.h ("bk-snapshot 1"), the
// truth that the catalog, the views and bkdb are made from.  Specification: docs/formats/snapshot.md.
#pragma once

#include "common/chunk/chunk_id.h"
#include "common/time/time.h"
#include "common/tree/entry.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace bk::store {

inline constexpr std::size_t kMaxSkippedLines = 1000;
inline constexpr std::uint64_t kMaxSnapshotBytes = 32U << 20U;  // of one record's text

struct SnapshotRecord {
  std::string id;  // 64 hex digits: SHA-256 over the record's text; set by Writer::commit
  std::string client, module, method;
  std::string name;            // the source's path, bytes
  std::uint64_t sequence = 0;  // 1, 2, 3 … per source; set by Writer::commit
  Timestamp began;             // the server's clock when the pull began; strictly increasing per source
  Timestamp ended;
  std::string by;                     // the pushing key's user
  std::vector<std::string> requests;  // request ids that this snapshot answers
  std::string archive_sha256;         // method sftp: the client's digest of the archive, hex; else empty
  Entry root;                         // a directory (tree, git) or a file (archive), with an empty name
  // Of a sealed source (sealed.h): which key seals, and, in `root`, only the sealed page that holds the root.
  std::string seal;         // the key's name; else empty, as `sealed_root` is
  std::string sealed_root;  // the plain id of that page, sealed to the public key; bytes
  // What the backup covered, in the client's own logical numbers.
  std::uint64_t files = 0, directories = 0, others = 0, bytes = 0;
  // Entries that are not there or may mix versions: "<reason> <percent path>", at most 1,000; skipped_count
  // counts all.
  std::vector<std::string> skipped;
  std::uint64_t skipped_count = 0;
  std::string previous;  // id of the client's journal entry before this one, or "none"; set by Writer::commit
};

[[nodiscard]] std::string write_snapshot(const SnapshotRecord& record);
[[nodiscard]] SnapshotRecord parse_snapshot(std::string_view text);  // throws Protocol

}  // namespace bk::store
