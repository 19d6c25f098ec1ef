#include "common/restore/report.h"

#include "common/text/escape.h"

#include <fmt/format.h>

#include <cerrno>

namespace bk {
namespace {

constexpr std::size_t kMostNamed = 100;  // of one sort

std::string said(const std::pair<std::string, std::string>& sort) {
  return sort.second.empty() ? sort.first : sort.first + ": " + sort.second;
}

std::string gathered(std::uint64_t count, const std::string& what, const std::string& first) {
  if (count == 1) return quoted(first) + ": " + what;
  return fmt::format("{} entries: {}; the first is {}", count, what, quoted(first));
}

}  // namespace

bool ends_only_its_entry(int code) {
  switch (code) {
    case EPERM:
    case EACCES:
    case EINVAL:
    case ENAMETOOLONG:
    case EILSEQ:
    case EOPNOTSUPP:
    case EFBIG:
    case EOVERFLOW:
    case EMLINK:
    case EEXIST:   // two names that are one to this file system
    case EISDIR:   // likewise
    case ENOTDIR:  // likewise
    case ELOOP:
    case ENOSYS:
    case ETXTBSY:
      return true;
    default:
      return false;
  }
}

void RestoreReport::count(Item& item, std::string_view path, std::size_t most_named) {
  ++item.count;
  if (item.named.size() < most_named) item.named.emplace_back(path);
}

void RestoreReport::add(std::string_view what, std::string_view reason, std::string_view path) {
  const std::lock_guard<std::mutex> lock(mutex_);
  count(inexact_[{std::string(what), std::string(reason)}], path, 1);
}

void RestoreReport::leave_out(std::string_view what, std::string_view reason, std::string_view path) {
  const std::lock_guard<std::mutex> lock(mutex_);
  count(missing_[{std::string(what), std::string(reason)}], path, kMostNamed);
}

void RestoreReport::leave_out_below(std::string_view path) {
  const std::lock_guard<std::mutex> lock(mutex_);
  count(below_, path, 1);
}

bool RestoreReport::empty() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return inexact_.empty() && missing_.empty() && below_.count == 0;
}

bool RestoreReport::has_missing() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return !missing_.empty() || below_.count > 0;
}

std::vector<std::string> RestoreReport::lines() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  std::vector<std::string> out;
  std::uint64_t missing = below_.count, inexact = 0;
  for (const auto& [sort, item] : missing_) {
    for (const std::string& path : item.named) out.push_back(quoted(path) + ": " + said(sort));
    if (item.count > item.named.size())
      out.push_back(fmt::format("{} more: {}", item.count - item.named.size(), said(sort)));
    missing += item.count;
  }
  if (below_.count > 0)
    out.push_back(gathered(below_.count, "not restored: their folder is not there", below_.named.front()));
  for (const auto& [sort, item] : inexact_) {
    out.push_back(gathered(item.count, said(sort), item.named.front()));
    inexact += item.count;
  }
  if (missing + inexact > 1)
    out.push_back(
        fmt::format("in all {} entries not restored, {} attributes not kept; everything else is there",
                    missing, inexact));
  return out;
}

}  // namespace bk
