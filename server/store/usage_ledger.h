// What one client occupies, as a number beside its possession: kept for clients that have a quota.
//
// Counted are the client's own logical bytes: the content of every chunk that its snapshots and checkpoints
// lead to, each once, and of what was put for it since that was counted last.  Whether others store the same
// makes no difference, so the number tells nothing about them.  What was put and never named counts until
// the next clean, which removes it: so attempts that fail do not make room for further ones.
//
// The file is `usage` in index/possession/<client>: magic (8), store id (16), generation (8), bytes (8), a
// check sum (8: of what precedes it).  It can be rebuilt: one that is missing or unreadable is counted again.
#pragma once

#include "common/io/fd.h"
#include "server/store/domain.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace bk::store {

inline constexpr std::string_view kUsageFile = "usage";

class UsageLedger {
 public:
  UsageLedger(const std::string& possession_folder, const StoreId& store);
  struct State {
    std::uint64_t generation = 0;  // of the count; another number: it was counted anew
    std::uint64_t bytes = 0;
  };
  // Nothing when it was never counted.
  [[nodiscard]] std::optional<State> read() const;
  // Adds to what is there; nothing when nothing is.  For all processes, one after the other; not durable.
  std::optional<State> add(std::uint64_t bytes);
  // A new count: of `bytes`, and of what was added since `then`.  Durable on return.
  State count(std::uint64_t bytes, const std::optional<State>& then);
  void sync();
  // Of the file's bytes, whichever store's; nothing when they are none.
  [[nodiscard]] static std::optional<State> parse(std::string_view bytes);

 private:
  [[nodiscard]] Fd open_locked(bool create) const;
  [[nodiscard]] std::optional<State> read(int fd) const;
  void write(int fd, const State& state) const;
  std::string path_, prefix_;
};

}  // namespace bk::store
