#include "client/agent/prefetch.h"

#include "client/agent/beneath.h"

#include <fcntl.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <ctime>

namespace bk::agent {

namespace {

constexpr std::size_t kWorkers = 8;  // reads on their way to a cold disk

constexpr std::chrono::seconds kCoarse{2};  // FAT rounds to two seconds, small inodes of ext4 to one

std::chrono::nanoseconds to_duration(const timespec& time) {
  return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

timespec now_by_ticks() {
  timespec now{};
  clock_gettime(CLOCK_REALTIME_COARSE, &now);
  return now;
}

bool is_settled(const struct stat& facts) {
  return unsettled_for(facts.st_ctim, now_by_ticks()) == std::chrono::nanoseconds(0);
}

// What the page cache has of it, without waiting for a disk.  False: not all of it.
bool read_cached(OpenedFile& file) {
  const auto size = static_cast<std::size_t>(file.before.st_size);
  file.content.resize(size);
  iovec part{file.content.data(), size};
  const ssize_t got = preadv2(file.fd.get(), &part, 1, 0, RWF_NOWAIT);
  return got == static_cast<ssize_t>(size);
}

// An error shows again when the caller reads for himself.
void read_whole(OpenedFile& file) {
  std::size_t have = 0;
  while (have < file.content.size()) {
    const ssize_t got = pread(file.fd.get(), file.content.data() + have, file.content.size() - have,
                              static_cast<off_t>(have));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    have += static_cast<std::size_t>(got);
  }
  file.read = have == file.content.size();
}

}  // namespace

std::chrono::nanoseconds unsettled_for(const timespec& changed, const timespec& now) {
  constexpr std::chrono::nanoseconds kTick{1};
  const std::chrono::nanoseconds coarse = kCoarse;
  // Far outside the range of a nanosecond count, or written by another clock: waiting helps nothing.
  if (changed.tv_sec > now.tv_sec + kCoarse.count() || changed.tv_sec < now.tv_sec - kCoarse.count())
    return {};
  const auto until = to_duration(changed) + (changed.tv_nsec == 0 ? coarse : kTick);
  return std::max(until - to_duration(now), std::chrono::nanoseconds(0));
}

void settle(const struct stat& facts) {
  const auto limit = std::chrono::steady_clock::now() + kCoarse + std::chrono::milliseconds(100);
  while (!is_settled(facts) && std::chrono::steady_clock::now() < limit) {
    const timespec pause{0, 1'000'000};
    nanosleep(&pause, nullptr);
  }
}

Prefetcher::~Prefetcher() {
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
    todo_.clear();
    todo_changed_.notify_all();
  }
  for (std::thread& worker : workers_) worker.join();
}

void Prefetcher::start(int directory, const char* name) {
  Job& job = jobs_.emplace_back();
  OpenedFile& file = job.file;
  file.fd = open_regular(directory, name, file.before);
  if (!file.fd) {
    file.error = errno;
    return;
  }
  const off_t size = file.before.st_size;
  if (size > static_cast<off_t>(kSmall)) {
    posix_fadvise(file.fd.get(), 0, 256 << 10, POSIX_FADV_WILLNEED);
    return;
  }
  // Holes are not read, and a file changed in this moment is not yet to be read.
  if (size == 0 || file.before.st_blocks * 512 < size || !is_settled(file.before)) return;
  file.read = read_cached(file);
  if (file.read) return;
  ensure_workers();
  const std::lock_guard lock(mutex_);
  job.ready = false;
  todo_.push_back(&job);
  todo_changed_.notify_one();
}

OpenedFile Prefetcher::take() {
  Job& job = jobs_.front();
  {
    std::unique_lock lock(mutex_);
    job_done_.wait(lock, [&] { return job.ready; });
  }
  OpenedFile file = std::move(job.file);
  jobs_.pop_front();
  return file;
}

void Prefetcher::ensure_workers() {
  while (workers_.size() < kWorkers) workers_.emplace_back([this] { work(); });
}

void Prefetcher::work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    todo_changed_.wait(lock, [&] { return closing_ || !todo_.empty(); });
    if (closing_) return;
    Job& job = *todo_.front();
    todo_.pop_front();
    lock.unlock();
    read_whole(job.file);
    lock.lock();
    job.ready = true;
    job_done_.notify_one();
  }
}

}  // namespace bk::agent
