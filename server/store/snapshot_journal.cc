#include "server/store/snapshot_journal.h"

#include "common/digest/sha256.h"
#include "common/error/error.h"
#include "common/io/file.h"
#include "common/text/escape.h"
#include "server/store/bad_sectors.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <utility>

namespace bk::store {
namespace {

// number(20) kind(8, padded) object(64) source(32) hash(64), single spaces, newline
constexpr std::size_t kLineBytes = 20 + 1 + 8 + 1 + 64 + 1 + 32 + 1 + 64 + 1;
constexpr std::size_t kHashAt = kLineBytes - 65;
constexpr std::array<std::string_view, 4> kKinds{"snapshot", "removal", "hold", "release"};
constexpr std::string_view kFirstLine = "bk-journal 1\n";
// Of one look backwards: most sources are found among the newest few lines.
constexpr std::uint64_t kFewLines = 16;
constexpr std::uint64_t kManyLines = 4096;

std::uint64_t offset_of(std::uint64_t number) { return kFirstLine.size() + (number - 1) * kLineBytes; }

std::string twenty_digits(std::uint64_t number) {
  std::string digits = std::to_string(number);
  return std::string(20 - digits.size(), '0') + digits;
}

std::string hash_of(const std::string& previous, std::string_view line) {
  return Sha256::of(previous + " " + std::string(line)).hex();  // the line up to its hash
}

// A line up to its hash.
std::string row_of(const JournalLine& line) {
  return twenty_digits(line.number) + " " + line.kind + std::string(8 - line.kind.size(), ' ') + " " +
         line.object + " " + line.source + " ";
}

std::string hash_in(std::string_view row) { return std::string(row.substr(kHashAt, 64)); }

}  // namespace

SnapshotJournal::SnapshotJournal(std::string path, std::string first_hash)
    : path_(std::move(path)), first_hash_(std::move(first_hash)) {}

void SnapshotJournal::corrupt(std::uint64_t number, const std::string& why) const {
  throw Error(Kind::Corrupt, quoted(path_) + " line " + std::to_string(number + 1) + ": " + why);
}

SnapshotJournal::Size SnapshotJournal::size() const {
  struct stat info {};
  if (::stat(path_.c_str(), &info) != 0) {
    if (errno == ENOENT) return {};
    throw sys_error(errno, "looking at " + quoted(path_));
  }
  const auto bytes = static_cast<std::uint64_t>(info.st_size);
  if (bytes < kFirstLine.size()) return {0, true, true};
  const std::uint64_t body = bytes - kFirstLine.size();
  return {body / kLineBytes, body % kLineBytes != 0, true};
}

std::string SnapshotJournal::rows(std::uint64_t first, std::uint64_t count) const {
  const Fd fd = open_file(path_, O_RDONLY);
  std::string out(count * kLineBytes, '\0');
  if (pread_up_to(fd.get(), out.data(), out.size(), offset_of(first)) != out.size())
    corrupt(first, "the file became shorter while it was read");
  return out;
}

void SnapshotJournal::check_first_line() const {
  std::string text(kFirstLine.size(), '\0');
  const Fd fd = open_file(path_, O_RDONLY);
  (void)pread_up_to(fd.get(), text.data(), text.size(), 0);
  if (text != kFirstLine) corrupt(0, "not a snapshot journal");
}

JournalLine SnapshotJournal::parse(std::string_view row, std::uint64_t number,
                                   const std::string& previous) const {
  JournalLine line{number, std::string(row.substr(21, 8)), std::string(row.substr(30, 64)),
                   std::string(row.substr(95, 32)), hash_in(row)};
  line.kind.erase(line.kind.find_last_not_of(' ') + 1);
  const bool whole = row.back() == '\n' && row.substr(0, 20) == twenty_digits(number);
  if (!whole || line.hash != hash_of(previous, row.substr(0, kHashAt)))
    corrupt(number, "the chain of hashes is broken here");
  if (std::find(kKinds.begin(), kKinds.end(), line.kind) == kKinds.end())
    corrupt(number, "unknown kind of entry");
  return line;
}

std::vector<JournalLine> SnapshotJournal::lines() const {
  std::vector<JournalLine> out;
  const Size found = size();
  const std::uint64_t count = found.lines;
  if (found.exists && (count > 0 || !found.torn)) check_first_line();
  std::string previous = first_hash_;
  for (std::uint64_t first = 1; first <= count; first += kManyLines) {
    const std::uint64_t part = std::min(kManyLines, count - first + 1);
    const std::string text = rows(first, part);
    for (std::uint64_t i = 0; i < part; ++i) {
      out.push_back(parse(std::string_view(text).substr(i * kLineBytes, kLineBytes), first + i, previous));
      previous = out.back().hash;
    }
  }
  return out;
}

void SnapshotJournal::backwards(const std::function<bool(const JournalLine&)>& visit) const {
  std::uint64_t last = size().lines;
  if (last > 0) check_first_line();
  for (std::uint64_t window = kFewLines; last > 0; window = kManyLines) {
    const std::uint64_t first = last > window ? last - window + 1 : 1;
    const std::uint64_t before = first > 1 ? 1 : 0;  // the line whose hash the first one continues
    const std::string text = rows(first - before, last - first + 1 + before);
    const std::string_view view = text;
    for (std::uint64_t number = last; number >= first; --number) {
      const std::size_t at = (number - first + before) * kLineBytes;
      const std::string previous = number == 1 ? first_hash_ : hash_in(view.substr(at - kLineBytes));
      if (!visit(parse(view.substr(at, kLineBytes), number, previous))) return;
    }
    last = first - 1;
  }
}

SnapshotJournal::End SnapshotJournal::end() const {
  End out{0, first_hash_};
  backwards([&](const JournalLine& line) {
    out = {line.number, line.hash};
    return false;
  });
  return out;
}

std::optional<JournalLine> SnapshotJournal::line_after(const End& end) const {
  if (size().lines <= end.count) return std::nullopt;
  try {
    return parse(rows(end.count + 1, 1), end.count + 1, end.hash);
  } catch (const Error& error) {
    if (error.kind() != Kind::Corrupt && !is_media_error(error)) throw;
    return std::nullopt;
  }
}

JournalLine SnapshotJournal::following(const End& end, std::string kind, std::string object,
                                       std::string source) {
  JournalLine line{end.count + 1, std::move(kind), std::move(object), std::move(source), {}};
  line.hash = hash_of(end.hash, row_of(line));
  return line;
}

void SnapshotJournal::append(std::span<const JournalLine> lines) const {
  if (lines.empty()) return;
  std::string rows;
  for (const JournalLine& line : lines) rows += row_of(line) + line.hash + "\n";
  const std::uint64_t number = lines.front().number;
  const Fd fd = open_file(path_, O_WRONLY | O_CREAT | O_NOFOLLOW, 0600);
  if (number == 1) write_all(fd.get(), kFirstLine);
  check_sys(::lseek(fd.get(), static_cast<off_t>(offset_of(number)), SEEK_SET),
            [&] { return "writing " + quoted(path_); });
  write_all(fd.get(), rows);
  sync_file(fd.get());
}

void SnapshotJournal::append(const End& end, const std::string& kind, const std::string& object,
                             const std::string& source) const {
  const JournalLine line = following(end, kind, object, source);
  append({&line, 1});
}

void SnapshotJournal::cut_torn_end() const {
  const Size found = size();
  if (!found.torn) return;
  const std::uint64_t whole = found.lines == 0 ? 0 : offset_of(found.lines + 1);
  check_sys(::truncate(path_.c_str(), static_cast<off_t>(whole)),
            [&] { return "cutting the torn end of " + quoted(path_); });
}

}  // namespace bk::store
