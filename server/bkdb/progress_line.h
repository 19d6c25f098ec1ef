// How far a long command is: one line at the bottom of a terminal, nothing anywhere else.
#pragma once

#include "common/text/screen.h"

#include <chrono>
#include <cstdint>
#include <string>

namespace bk::bkdb {

class ProgressLine {
 public:
  explicit ProgressLine(std::string what);
  // "heal: 12.3 GB of 40.0 GB, 210 MB/s"; `all` is 0 when nobody knows.  Writes five times a second.
  void show(std::uint64_t done_bytes, std::uint64_t all_bytes);
  // Takes the line away, for another one to be written.
  void clear() { screen_.show({}); }

 private:
  std::string what_;
  Screen screen_;
  std::chrono::steady_clock::time_point begun_, shown_;
};

}  // namespace bk::bkdb
