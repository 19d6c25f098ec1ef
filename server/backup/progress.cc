#include "server/backup/progress.h"

#include "common/error/error.h"
#include "common/io/fd.h"
#include "common/io/file.h"
#include "common/text/amount.h"
#include "common/text/number.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>

namespace bk::server {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::string_view kWord = "progress";
constexpr std::size_t kNumbers = 9;
constexpr std::size_t kSamples = 10;
constexpr std::uint64_t kSecondsBeforeGuessing = 3;

std::array<std::uint64_t*, kNumbers> numbers_of(Progress& p) {
  return {&p.done.files,          &p.done.directories,  &p.done.bytes,
          &p.done.received_bytes, &p.done.stored_bytes, &p.all_directories,
          &p.all_bytes,           &p.seconds,           &p.rate};
}

double part_of(std::uint64_t done, std::uint64_t all) {
  return all == 0 ? 0 : std::min(1.0, static_cast<double>(done) / static_cast<double>(all));
}

}  // namespace

std::string write_progress(const Progress& progress) {
  Progress copy = progress;
  std::string out(kWord);
  for (const std::uint64_t* number : numbers_of(copy)) out += fmt::format(" {}", *number);
  return out;
}

std::optional<Progress> parse_progress(std::string_view line) {
  if (!line.starts_with(kWord)) return std::nullopt;
  line.remove_prefix(kWord.size());
  Progress out;
  for (std::uint64_t* number : numbers_of(out)) {
    if (!line.starts_with(' ')) return std::nullopt;
    line.remove_prefix(1);
    const std::size_t end = std::min(line.find(' '), line.size());
    const auto value = parse_int<std::uint64_t>(line.substr(0, end));
    if (!value) return std::nullopt;
    *number = *value;
    line.remove_prefix(end);
  }
  return line.empty() ? std::optional(out) : std::nullopt;
}

std::optional<std::uint64_t> estimate(const Progress& progress) {
  const double part = std::max(part_of(progress.done.directories, progress.all_directories),
                               part_of(progress.done.bytes, progress.all_bytes));
  if (progress.seconds < kSecondsBeforeGuessing || part < 0.01 || part >= 1) return std::nullopt;
  return static_cast<std::uint64_t>(static_cast<double>(progress.seconds) * (1 - part) / part);
}

std::string show_progress(const Progress& progress) {
  const pull::PullProgress& done = progress.done;
  std::string out;
  if (done.directories > 0)
    out =
        fmt::format("{} directories, {} files read, ", show_count(done.directories), show_count(done.files));
  out += show_bytes(done.bytes);
  out += fmt::format(", {}/s", show_bytes(progress.rate));
  if (const auto left = estimate(progress)) out += fmt::format(", about {} left", show_span(*left));
  return out;
}

std::string show_cost(std::uint64_t files, std::uint64_t directories, const pull::PullProgress& done,
                      std::uint64_t stored_bytes, std::chrono::milliseconds took) {
  const double seconds_taken = std::max<double>(static_cast<double>(took.count()) / 1000, 0.001);
  std::string out = fmt::format("{} files, {} directories; ", show_count(files), show_count(directories));
  if (done.received_bytes > 0)
    out += fmt::format("read {}, sent {}, ", show_bytes(done.bytes), show_bytes(done.received_bytes));
  out += fmt::format("stored {}, {:.1f} s", show_bytes(stored_bytes), seconds_taken);
  if (done.bytes > 0)
    out += fmt::format(
        ", {}/s", show_bytes(static_cast<std::uint64_t>(static_cast<double>(done.bytes) / seconds_taken)));
  return out;
}

ProgressTeller::ProgressTeller(int line_fd, std::string file,
                               const std::optional<store::SnapshotRecord>& previous)
    : line_fd_(line_fd), file_(std::move(file)) {
  if (!previous) return;
  progress_.all_directories = previous->directories;
  progress_.all_bytes = previous->bytes;
}

ProgressTeller::~ProgressTeller() { (void)::unlink(file_.c_str()); }

bool ProgressTeller::tell(const pull::PullProgress& done) {
  const auto now = Clock::now();
  progress_.done = done;
  progress_.seconds = static_cast<std::uint64_t>(std::chrono::duration_cast<seconds>(now - began_).count());
  if (now - told_ < seconds(1)) return false;
  told_ = now;
  samples_.push_back({now, done.bytes});
  if (samples_.size() > kSamples) samples_.pop_front();
  const Sample first = samples_.size() > 1 ? samples_.front() : Sample{began_, 0};
  const double span = std::chrono::duration<double>(now - first.when).count();
  if (span > 0.1)
    progress_.rate = static_cast<std::uint64_t>(
        static_cast<double>(done.bytes - std::min(first.bytes, done.bytes)) / span);
  const std::string line = write_progress(progress_) + "\n";
  if (line_fd_ >= 0) (void)!::write(line_fd_, line.data(), line.size());
  // Worth nothing after a crash, and read by whoever looks meanwhile: one small write, not synced.
  const Fd fd(::open(file_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (fd) (void)!::write(fd.get(), line.data(), line.size());
  if (now - logged_ < seconds(60)) return false;
  logged_ = now;
  return true;
}

std::optional<Progress> read_progress(const std::string& file) {
  const std::optional<std::string> text = try_read_file(file, 4096);
  if (!text || !text->ends_with('\n')) return std::nullopt;
  return parse_progress(std::string_view(*text).substr(0, text->size() - 1));
}

std::string progress_file(const std::string& home, const std::string& client, const std::string& stem) {
  return home + "/tmp/progress/" + client + "/" + stem;
}

}  // namespace bk::server
