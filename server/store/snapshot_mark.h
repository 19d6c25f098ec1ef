// What was decided about a snapshot after it was made: removed, held, released.  Text in the family of
// common/text/document.h; each has a line in the client's journal.  Specification: docs/formats/snapshot.md.
#pragma once

#include "common/time/time.h"

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace bk::store {

inline constexpr std::uint64_t kMaxMarkBytes = 64U << 10U;  // of one mark's text
inline constexpr std::size_t kMaxReasonBytes = 4096;

enum class MarkKind : unsigned char {
  Removal,  // no longer counts, for ever
  Hold,     // cannot be removed
  Release,  // ends all holds before it
  Gone      // stands where the record of a removed snapshot stood; its line is still the snapshot's
};
inline constexpr std::array<MarkKind, 4> kMarkKinds{MarkKind::Removal, MarkKind::Hold, MarkKind::Release,
                                                    MarkKind::Gone};
// "removal", "hold", "release", "gone": the line's kind, the object's ending, and the text's format behind
// "bk-".
[[nodiscard]] std::string to_word(MarkKind kind);

struct SnapshotMark {
  MarkKind kind = MarkKind::Removal;
  std::string client;
  // The snapshot that is meant, its line, and what it was.
  std::string snapshot;  // 64 hex digits
  std::string source;    // 32 hex digits
  std::uint64_t line = 0, sequence = 0;
  Timestamp began;
  // Who decided it, when, and why; the texts may be empty.
  Timestamp at;
  std::string by, reason;
  std::string previous;  // hash of the journal line before the mark's own, or "none"
  bool operator==(const SnapshotMark&) const = default;
};

// What a mark says beyond the snapshot it is about.
struct MarkTemplate {
  MarkKind kind = MarkKind::Removal;
  Timestamp at;
  std::string by, reason;
};

[[nodiscard]] std::string write_mark(const SnapshotMark& mark);
[[nodiscard]] SnapshotMark parse_mark(MarkKind kind, std::string_view text);  // throws Protocol

}  // namespace bk::store
