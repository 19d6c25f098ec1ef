#include "server/todo/done_log.h"

#include "common/digest/sha256.h"
#include "common/error/error.h"
#include "common/io/crash.h"
#include "common/io/file.h"
#include "common/text/escape.h"
#include "common/text/number.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <map>

namespace bk::server {
namespace {

constexpr std::size_t kIdDigits = 32;
constexpr std::size_t kCheckDigits = 8;
constexpr std::uint64_t kMaxSortedBytes = 16ULL << 30U;
// id, letter, status, snapshot, seconds, check; single spaces between them.
constexpr std::string_view kLetters = "oprf";

std::string check_of(std::string_view text) { return Sha256::of(text).hex().substr(0, kCheckDigits); }

char letter_of(proto::Outcome outcome) {
  switch (outcome) {
    case proto::Outcome::Partial:
      return 'p';
    case proto::Outcome::Refused:
      return 'r';
    case proto::Outcome::Failed:
      return 'f';
    case proto::Outcome::Taken:
    case proto::Outcome::Ok:
      break;
  }
  return 'o';
}

proto::Outcome outcome_of(char letter) {
  constexpr proto::Outcome kOutcomes[] = {proto::Outcome::Ok, proto::Outcome::Partial,
                                          proto::Outcome::Refused, proto::Outcome::Failed};
  return kOutcomes[kLetters.find(letter)];
}

std::uint64_t size_of(int fd) {
  struct stat info {};
  check_sys(::fstat(fd, &info), [] { return "looking at a done log"; });
  return static_cast<std::uint64_t>(info.st_size);
}

std::optional<Fd> open_existing(const std::string& path, int flags) {
  try {
    return open_file(path, flags | O_NOFOLLOW);
  } catch (const Error& error) {
    if (error.sys_errno() == ENOENT) return std::nullopt;
    throw;
  }
}

std::vector<DoneRecord> parse_lines(std::string_view text) {
  std::vector<DoneRecord> out;
  for (; text.size() >= kDoneLineBytes; text.remove_prefix(kDoneLineBytes)) {
    if (std::optional<DoneRecord> record = parse_done_line(text.substr(0, kDoneLineBytes)))
      out.push_back(*std::move(record));
  }
  return out;
}

std::vector<DoneRecord> read_lines(const std::string& path) {
  return parse_lines(try_read_file(path, kMaxSortedBytes).value_or(""));
}

// Binary search by reading single lines: the file may hold years of ids.
std::optional<DoneRecord> search(int fd, const std::string& id) {
  std::uint64_t low = 0;
  std::uint64_t high = size_of(fd) / kDoneLineBytes;
  std::string line(kDoneLineBytes, '\0');
  while (low < high) {
    const std::uint64_t middle = low + (high - low) / 2;
    if (pread_up_to(fd, line.data(), line.size(), middle * kDoneLineBytes) != line.size())
      return std::nullopt;
    const int order = line.compare(0, kIdDigits, id);
    if (order == 0) return parse_done_line(line);
    if (order < 0) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return std::nullopt;
}

}  // namespace

std::string write_done_line(const DoneRecord& r) {
  std::string line =
      fmt::format("{} {} {:03} {:->64} {:012} ", r.id, letter_of(r.outcome), std::clamp(r.status, 0, 255),
                  r.snapshot, std::max<std::int64_t>(r.seconds, 0));
  line += check_of(line);
  line += '\n';
  BK_CHECK(line.size() == kDoneLineBytes);
  return line;
}

std::optional<DoneRecord> parse_done_line(std::string_view line) {
  constexpr std::size_t kChecked = kDoneLineBytes - kCheckDigits - 1;
  if (line.size() != kDoneLineBytes || line.back() != '\n') return std::nullopt;
  if (line.substr(kChecked, kCheckDigits) != check_of(line.substr(0, kChecked))) return std::nullopt;
  DoneRecord r;
  r.id = line.substr(0, 32);
  if (!proto::is_request_id(r.id) || kLetters.find(line[33]) == std::string_view::npos) return std::nullopt;
  r.outcome = outcome_of(line[33]);
  const auto digits = [](std::string_view text) {  // with leading zeros, which parse_int refuses
    text.remove_prefix(std::min(text.find_first_not_of('0'), text.size() - 1));
    return parse_int<std::int64_t>(text, 0);
  };
  const std::optional<std::int64_t> status = digits(line.substr(35, 3));
  const std::optional<std::int64_t> seconds = digits(line.substr(104, 12));
  if (!status || !seconds) return std::nullopt;
  r.status = static_cast<int>(*status);
  r.seconds = *seconds;
  const std::string_view snapshot = line.substr(39, 64);
  if (snapshot.front() != '-') r.snapshot = snapshot;
  return r;
}

DoneLog::DoneLog(std::string folder, std::size_t merge_at)
    : folder_(std::move(folder)), merge_at_(merge_at) {}

std::string DoneLog::sorted_path() const { return join_path(folder_, ".done"); }
std::string DoneLog::log_path() const { return join_path(folder_, ".done.log"); }

void DoneLog::append(std::span<const DoneRecord> records) {
  if (records.empty()) return;
  const bool fresh = !path_exists(log_path());
  const Fd fd = open_file(log_path(), O_RDWR | O_CREAT | O_NOFOLLOW, 0600);
  // A line that a crash cut short goes: its record was not promised yet.
  const std::uint64_t whole = size_of(fd.get()) / kDoneLineBytes * kDoneLineBytes;
  check_sys(::ftruncate(fd.get(), static_cast<off_t>(whole)),
            [&] { return "cutting " + quoted(log_path()); });
  check_sys(::lseek(fd.get(), 0, SEEK_END), [&] { return "appending to " + quoted(log_path()); });
  std::string text;
  for (const DoneRecord& record : records) text += write_done_line(record);
  write_all(fd.get(), text);
  sync_file(fd.get());
  if (fresh) sync_directory(folder_);
}

std::vector<std::optional<DoneRecord>> DoneLog::find(std::span<const std::string> ids) const {
  std::map<std::string, DoneRecord> recent;
  for (DoneRecord& record : read_lines(log_path())) recent[record.id] = std::move(record);
  const std::optional<Fd> sorted = open_existing(sorted_path(), O_RDONLY);
  std::vector<std::optional<DoneRecord>> out;
  out.reserve(ids.size());
  for (const std::string& id : ids) {
    const auto it = recent.find(id);
    if (it != recent.end()) {
      out.emplace_back(it->second);
    } else if (sorted) {
      out.push_back(search(sorted->get(), id));
    } else {
      out.emplace_back();
    }
  }
  return out;
}

void DoneLog::merge_if_long() {
  const std::optional<Fd> log = open_existing(log_path(), O_RDWR);
  if (!log || size_of(log->get()) < merge_at_ * kDoneLineBytes) return;
  std::map<std::string, std::string> recent;
  for (const DoneRecord& record : read_lines(log_path())) recent[record.id] = write_done_line(record);
  const std::string old = try_read_file(sorted_path(), kMaxSortedBytes).value_or("");
  std::string merged;
  merged.reserve(old.size() + recent.size() * kDoneLineBytes);
  auto next = recent.begin();
  for (std::size_t at = 0; at + kDoneLineBytes <= old.size(); at += kDoneLineBytes) {
    const std::string_view line = std::string_view(old).substr(at, kDoneLineBytes);
    const std::string_view id = line.substr(0, kIdDigits);
    for (; next != recent.end() && next->first < id; ++next) merged += next->second;
    if (next != recent.end() && next->first == id) continue;  // merged before, by a run that was killed
    merged += line;
  }
  for (; next != recent.end(); ++next) merged += next->second;
  replace_durably(sorted_path(), merged);
  crash_point("todo.done_merged");
  check_sys(::ftruncate(log->get(), 0), [&] { return "cutting " + quoted(log_path()); });
  sync_file(log->get());
  crash_point("todo.done_cut");
}

}  // namespace bk::server
