#include "server/backup/skips.h"

#include <algorithm>

namespace bk::server {

Skips all_skips(const proto::Request& request, Skips pulled) {
  const std::uint64_t source = std::min(request.skipped_count, kMostSkips);
  pulled.count = std::min(pulled.count, kMostSkips - source) + source;
  pulled.shown.insert(pulled.shown.begin(), request.skipped.begin(), request.skipped.end());
  return pulled;
}

}  // namespace bk::server
