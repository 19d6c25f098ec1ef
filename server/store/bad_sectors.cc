#include "server/store/bad_sectors.h"

#include "common/io/file.h"

#include <algorithm>
#include <cstring>

namespace bk::store {
namespace {

constexpr std::uint64_t kBlock = 4096;
// Of one file: then nothing is looked at more closely, or a dead one would take hours.
constexpr unsigned kMostFailures = 64;

std::uint64_t block_behind(std::uint64_t at) { return (at / kBlock + 1) * kBlock; }

}  // namespace

bool BadSectors::overlaps(std::uint64_t from, std::uint64_t to) const {
  return end_of(from) > from || next(from) < to;
}

std::string BadSectors::text(std::uint64_t from) const {
  if (empty()) return {};
  const std::uint64_t at = end_of(from) > from ? from : next(from);
  return "at offset " + std::to_string(at == UINT64_MAX ? first() : at) + ": " + reason_;
}

void BadSectors::add(std::uint64_t from, std::uint64_t to) {
  auto at = ranges_.upper_bound(from);
  if (at != ranges_.begin() && std::prev(at)->second >= from) {
    --at;
    from = at->first;
  }
  while (at != ranges_.end() && at->first <= to) {
    to = std::max(to, at->second);
    at = ranges_.erase(at);
  }
  ranges_[from] = to;
}

std::uint64_t BadSectors::end_of(std::uint64_t at) const {
  const auto behind = ranges_.upper_bound(at);
  return behind == ranges_.begin() ? at : std::max(at, std::prev(behind)->second);
}

std::uint64_t BadSectors::next(std::uint64_t at) const {
  const auto behind = ranges_.upper_bound(at);
  return behind == ranges_.end() ? UINT64_MAX : behind->first;
}

std::size_t PatientReader::read(std::uint64_t offset, char* into, std::size_t bytes) {
  const bool first = bad_.empty();
  if (first)
    if (const std::optional<std::size_t> got = try_read(offset, offset + bytes, into)) return *got;
  const std::uint64_t end = std::min(offset + bytes, below_.size());
  if (offset >= end) return 0;
  std::memset(into, 0, end - offset);
  for (std::uint64_t at = offset; at < end;) {
    const std::uint64_t from = std::min(bad_.end_of(at), end);
    const std::uint64_t to = std::min(bad_.next(from), end);
    if (from < to && (first || !try_read(from, to, into + (from - offset))))
      read_blocks(from, to, into + (from - offset));
    at = to;
  }
  return end - offset;
}

std::optional<std::size_t> PatientReader::try_read(std::uint64_t from, std::uint64_t to, char* into) {
  try {
    return below_.read(from, into, to - from);
  } catch (const Error& error) {
    if (!is_media_error(error)) throw;
    if (bad_.reason_.empty()) bad_.reason_ = system_words(error.sys_errno());
    ++bad_.failures_;
    std::memset(into, 0, to - from);
    return std::nullopt;
  }
}

// It could not be read as a whole.
void PatientReader::read_blocks(std::uint64_t from, std::uint64_t to, char* into) {
  if (bad_.failures_ >= kMostFailures) return bad_.add(from, to);
  for (std::uint64_t at = from; at < to;) {
    const std::uint64_t end = std::min(block_behind(at), to);
    if (try_read(at, end, into + (at - from))) {
      at = end;
      continue;
    }
    const std::uint64_t good = behind_bad(at, to);
    bad_.add(at, good);
    at = good;
  }
}

// Where something can be read again behind a bad block: looked for in growing steps, then backwards.
std::uint64_t PatientReader::behind_bad(std::uint64_t at, std::uint64_t to) {
  char block[kBlock];
  const auto good_at = [&](std::uint64_t place) {
    return bad_.failures_ < kMostFailures && try_read(place, std::min(place + kBlock, to), block).has_value();
  };
  std::uint64_t bad = block_behind(at) - kBlock, good = to;
  for (std::uint64_t step = kBlock; bad + step < to; step *= 2) {
    if (good_at(bad + step)) {
      good = bad + step;
      break;
    }
    bad += step;
  }
  std::uint64_t low = std::min(bad + kBlock, good);
  while (low < good) {
    const std::uint64_t middle = low + (good - low) / 2 / kBlock * kBlock;
    if (good_at(middle))
      good = middle;
    else
      low = std::min(middle + kBlock, good);
  }
  return good;
}

std::unique_ptr<ObjectReader> open_if_readable(Storage& storage, const std::string& name,
                                               std::string* problem) {
  try {
    return storage.open(name);
  } catch (const Error& error) {
    if (!is_media_error(error)) throw;
    if (problem != nullptr) *problem = error.what();
    return nullptr;
  }
}

std::optional<std::string> read_if_readable(const std::string& path, std::uint64_t limit_bytes) {
  try {
    return try_read_file(path, limit_bytes);
  } catch (const Error& error) {
    if (!is_media_error(error)) throw;
    return std::nullopt;
  }
}

}  // namespace bk::store
