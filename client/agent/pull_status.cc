#include "client/agent/pull_status.h"

#include "common/digest/sha256.h"
#include "common/error/error.h"
#include "common/io/file.h"
#include "common/text/amount.h"
#include "common/text/number.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>

namespace bk::agent {
namespace {

constexpr std::string_view kWord = "pull";
constexpr std::size_t kNumbers = 7;
constexpr std::size_t kSumDigits = 16;
constexpr std::size_t kSamples = 10;
constexpr std::uint64_t kSecondsBeforeGuessing = 3;

template <class Status>
auto numbers_of(Status& s) {
  return std::array{&s.directories, &s.files, &s.read_files,     &s.read_bytes,
                    &s.seconds,     &s.rate,  &s.all_directories};
}

std::string sum_of(std::string_view text) { return Sha256::of(text).hex().substr(0, kSumDigits); }

struct flock whole_file() {
  struct flock out {};
  out.l_type = F_WRLCK;
  out.l_whence = SEEK_SET;
  return out;
}

// Asks only: a reader that took the lock for a moment could keep an agent from it.
bool is_locked(int fd) {
  struct flock lock = whole_file();
  return ::fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}

std::optional<PullStatus> read_line(int fd) {
  std::array<char, 512> buffer{};
  const ssize_t got = ::pread(fd, buffer.data(), buffer.size(), 0);
  if (got <= 0) return std::nullopt;
  return parse_pull_status({buffer.data(), static_cast<std::size_t>(got)});
}

}  // namespace

std::string write_pull_status(const PullStatus& status) {
  std::string out(kWord);
  for (const std::uint64_t* number : numbers_of(status)) out += fmt::format(" {:020}", *number);
  return out + " " + sum_of(out) + "\n";
}

std::optional<PullStatus> parse_pull_status(std::string_view line) {
  constexpr std::size_t kDigits = 20;
  if (line.size() != kWord.size() + kNumbers * (kDigits + 1) + 1 + kSumDigits + 1) return std::nullopt;
  const std::size_t sum_at = line.size() - kSumDigits - 1;
  if (line.back() != '\n' || line[sum_at - 1] != ' ' ||
      line.substr(sum_at, kSumDigits) != sum_of(line.substr(0, sum_at - 1)))
    return std::nullopt;
  PullStatus out;
  std::size_t at = kWord.size() + 1;
  for (std::uint64_t* number : numbers_of(out)) {
    std::string_view digits = line.substr(at, kDigits);
    digits.remove_prefix(std::min(digits.find_first_not_of('0'), kDigits - 1));
    const auto value = parse_int<std::uint64_t>(digits);
    if (!value) return std::nullopt;
    *number = *value;
    at += kDigits + 1;
  }
  return out;
}

std::string show_pull_status(const PullStatus& status) {
  if (status.directories == 0 && status.read_bytes == 0) return "begins";
  std::string out =
      fmt::format("{} directories, {} files read, {}, {}/s", show_count(status.directories),
                  show_count(status.read_files), show_bytes(status.read_bytes), show_bytes(status.rate));
  if (status.all_directories == 0 || status.seconds < kSecondsBeforeGuessing) return out;
  const double part = static_cast<double>(status.directories) / static_cast<double>(status.all_directories);
  if (part < 0.01 || part >= 1) return out;
  const double left = static_cast<double>(status.seconds) * (1 - part) / part;
  return out + fmt::format(", about {} left", show_span(static_cast<std::uint64_t>(left)));
}

std::string pull_status_file(const std::string& home, const std::string& server, std::string_view place) {
  return join_path(home, "log/pulls/" + server + "/" + Sha256::of(place).hex());
}

std::optional<PullStatus> read_pull_status(const std::string& file) {
  const Fd fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (!fd || !is_locked(fd.get())) return std::nullopt;
  // A line that is just being written is whole a moment later.
  for (int attempt = 0; attempt < 3; ++attempt) {
    if (const auto status = read_line(fd.get())) return status;
  }
  return std::nullopt;
}

PullStatusWriter::PullStatusWriter(const std::string& file) {
  try {
    ensure_directory(parent_of(file));
  } catch (const Error&) {
    return;
  }
  Fd fd(::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  struct flock lock = whole_file();
  if (!fd || ::fcntl(fd.get(), F_OFD_SETLK, &lock) != 0) return;
  fd_ = std::move(fd);
  if (const auto last = read_line(fd_.get())) now_.all_directories = last->all_directories;
  write();
  thread_ = std::thread([this] { run(); });
}

PullStatusWriter::~PullStatusWriter() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void PullStatusWriter::tell(const PullStatus& so_far) {
  if (!fd_) return;
  const std::lock_guard lock(mutex_);
  now_.directories = so_far.directories;
  now_.files = so_far.files;
  now_.read_files = so_far.read_files;
  now_.read_bytes = so_far.read_bytes;
}

void PullStatusWriter::finish(const PullStatus& all) {
  if (!fd_) return;
  tell(all);
  const std::lock_guard lock(mutex_);
  now_.all_directories = all.directories;
  write();
}

void PullStatusWriter::run() {
  std::unique_lock lock(mutex_);
  while (!changed_.wait_for(lock, std::chrono::seconds(1), [this] { return ending_; })) {
    sample();
    write();
  }
}

void PullStatusWriter::sample() {
  const auto now = Clock::now();
  now_.seconds =
      static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::seconds>(now - began_).count());
  samples_.push_back({now, now_.read_bytes});
  if (samples_.size() > kSamples) samples_.pop_front();
  const Sample first = samples_.size() > 1 ? samples_.front() : Sample{began_, 0};
  const double span = std::chrono::duration<double>(now - first.when).count();
  if (span > 0.1)
    now_.rate = static_cast<std::uint64_t>(static_cast<double>(now_.read_bytes - first.bytes) / span);
}

// In place, and in one call.
void PullStatusWriter::write() const {
  const std::string line = write_pull_status(now_);
  (void)!::pwrite(fd_.get(), line.data(), line.size(), 0);
}

}  // namespace bk::agent
