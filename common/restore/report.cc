#include "common/restore/report.h"

#include "common/text/escape.h"

#include <fmt/format.h>

namespace bk {

void RestoreReport::add(std::string_view what, std::string_view reason, std::string_view path) {
  const std::lock_guard<std::mutex> lock(mutex_);
  Item& item = items_[{std::string(what), std::string(reason)}];
  if (item.count++ == 0) item.first = path;
}

bool RestoreReport::empty() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return items_.empty();
}

std::vector<std::string> RestoreReport::lines() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  std::vector<std::string> out;
  for (const auto& [key, item] : items_) {
    const std::string reason = key.second.empty() ? "" : ": " + key.second;
    if (item.count == 1)
      out.push_back(fmt::format("{}: {}{}", quoted(item.first), key.first, reason));
    else
      out.push_back(fmt::format("{} entries: {}{}; the first is {}", item.count, key.first, reason,
                                quoted(item.first)));
  }
  return out;
}

}  // namespace bk
