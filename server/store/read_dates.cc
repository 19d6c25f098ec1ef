#include "server/store/read_dates.h"

#include "common/error/error.h"
#include "common/io/file.h"
#include "common/time/time.h"
#include "server/store/bad_sectors.h"

#include <fmt/format.h>

#include <charconv>
#include <sstream>

namespace bk::store {
namespace {

constexpr std::string_view kFirstLine = "bk-verified 1\n";
constexpr std::uint64_t kMaxBytes = 1U << 30U;
constexpr std::chrono::minutes kSaveEvery{1};

}  // namespace

ReadDates::ReadDates(std::string path)
    : path_(std::move(path)), now_(SystemClock().now().seconds), saved_(std::chrono::steady_clock::now()) {
  const std::optional<std::string> text = read_if_readable(path_, kMaxBytes);
  if (!text || !text->starts_with(kFirstLine)) return;
  std::istringstream lines(text->substr(kFirstLine.size()));
  std::uint64_t pack = 0;
  std::int64_t date = 0;
  while (lines >> std::hex >> pack >> std::dec >> date) dates_[pack] = date;
}

bool ReadDates::older(std::uint64_t pack, std::chrono::seconds than) const {
  const auto known = dates_.find(pack);
  return known == dates_.end() || known->second > now_ || now_ - known->second >= than.count();
}

void ReadDates::note(std::uint64_t pack) {
  dates_[pack] = now_;
  if (std::chrono::steady_clock::now() - saved_ < kSaveEvery) return;
  saved_ = std::chrono::steady_clock::now();
  write();
}

void ReadDates::save(const std::set<std::uint64_t>& existing) {
  std::erase_if(dates_, [&](const auto& item) { return !existing.contains(item.first); });
  write();
}

void ReadDates::write() const {
  std::string text(kFirstLine);
  for (const auto& [pack, date] : dates_) text += fmt::format("{:016x} {}\n", pack, date);
  try {
    replace_durably(path_, text);
  } catch (const Error& error) {
    if (!is_no_right_to_write(error)) throw;  // what was read is read again another time
  }
}

}  // namespace bk::store
