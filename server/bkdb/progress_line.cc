#include "server/bkdb/progress_line.h"

#include "common/text/amount.h"
#include "server/backup/progress.h"

#include <fmt/format.h>
#include <unistd.h>

namespace bk::bkdb {

using std::chrono::steady_clock;

ProgressLine::ProgressLine(std::string what)
    : what_(std::move(what)), screen_(STDERR_FILENO), begun_(steady_clock::now()), shown_(begun_) {}

void ProgressLine::show(std::uint64_t done_bytes, std::uint64_t all_bytes) {
  const steady_clock::time_point now = steady_clock::now();
  if (!screen_.on() || now - shown_ < std::chrono::milliseconds(200)) return;
  shown_ = now;
  const double seconds = std::chrono::duration<double>(now - begun_).count();
  std::string line = what_ + ": " + show_bytes(done_bytes);
  if (all_bytes > 0) line += " of " + show_bytes(all_bytes);
  const auto rate = static_cast<std::uint64_t>(static_cast<double>(done_bytes) / seconds);
  screen_.show({line + fmt::format(", {}/s", show_bytes(rate))});
}

}  // namespace bk::bkdb
