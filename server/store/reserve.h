// Room kept free for removing things from a disk that is full: a file of zeros in store/locks/, given up when
// room is short and made again when there is some.
#pragma once

#include "server/store/layout.h"

#include <cstdint>
#include <string>

namespace bk::store {

// Gives up the reserve when less than `bytes` are free beside it.  Nothing when there is none.
void free_reserve_if_short(const std::string& store, std::uint64_t bytes);
// Makes the reserve, or gives it its size, when there is room for it twice; 0 bytes: nothing is
// done.  Never throws: it is no reason not to do what was asked for.
void keep_reserve(const std::string& store, std::uint64_t bytes) noexcept;

// Around work that frees room: gives the reserve up first if it has to, and makes it again at the end.
class ReserveUse {
 public:
  ReserveUse(const Layout& layout, std::uint64_t needed_bytes)
      : store_(layout.store), bytes_(layout.reserve_bytes) {
    free_reserve_if_short(store_, needed_bytes);
  }
  ~ReserveUse() { keep_reserve(store_, bytes_); }
  ReserveUse(const ReserveUse&) = delete;
  ReserveUse& operator=(const ReserveUse&) = delete;

 private:
  std::string store_;
  std::uint64_t bytes_;
};

}  // namespace bk::store
