// What an unfinished pull has stored so far, made findable: one small record per source, beside the client's
// snapshots.  Specification: docs/formats/snapshot.md.
//
// It never counts as a snapshot.  The next pull of the source compares with its tree, as it does with the
// previous snapshot's, and takes over what is equal; the snapshot's commit removes it.
#pragma once

#include "common/chunk/chunk_id.h"
#include "common/time/time.h"

#include <cstdint>
#include <string>
#include <string_view>

namespace bk::store {

inline constexpr std::uint64_t kMaxCheckpointBytes = 64U << 10U;  // of one record's text

struct CheckpointRecord {
  std::string client, module, method;
  std::string name;  // the source's path, bytes
  Timestamp began;   // of the pull, as its snapshot would have it
  Timestamp saved;
  ChunkId node{};  // of the tree's root; its own attributes are not known yet
  bool has_subdirectories = false;
  bool operator==(const CheckpointRecord&) const = default;
};

[[nodiscard]] std::string write_checkpoint(const CheckpointRecord& record);
[[nodiscard]] CheckpointRecord parse_checkpoint(std::string_view text);  // throws Protocol

}  // namespace bk::store
