// Reads small files ahead, many at once, so that a cold disk has enough to do.
//
// What the page cache holds is read at once by the caller; what would block is read by a few threads, while
// the caller goes on with other files.
#pragma once

#include "common/io/fd.h"

#include <sys/stat.h>

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <ctime>
#include <deque>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace bk::agent {

// A file that was opened to be read.
struct OpenedFile {
  Fd fd;  // empty: not a regular file any more, or not to be opened; `error` says why
  int error = 0;
  struct stat before {};  // asked for before anything was read
  bool read = false;      // `content` is what stood in it, up to before.st_size bytes
  std::string content;
};

class Prefetcher {
 public:
  Prefetcher() = default;
  ~Prefetcher();
  Prefetcher(const Prefetcher&) = delete;
  Prefetcher& operator=(const Prefetcher&) = delete;

  // At most so many files may be started and not taken.
  static constexpr std::size_t kMost = 32;
  // Longer files are only opened, and the kernel is asked for their first bytes.
  static constexpr std::size_t kSmall = 64U << 10U;

  // Opens the entry `name` of `directory` (beneath.h) and begins to read it.
  void start(int directory, const char* name);
  // The one that was started first, read to its end.
  [[nodiscard]] OpenedFile take();
  [[nodiscard]] std::size_t size() const { return jobs_.size(); }

 private:
  struct Job {
    OpenedFile file;
    bool ready = true;
  };
  void work();
  void ensure_workers();

  std::deque<Job> jobs_;  // the caller's; elements stay where they are while others come and go
  std::mutex mutex_;      // of what follows, and of `ready`
  std::condition_variable todo_changed_, job_done_;
  std::deque<Job*> todo_;
  bool closing_ = false;
  std::vector<std::thread> workers_;
};

// For how long from `now` a write could still leave a file's ctime at `changed`: until the tick of the
// kernel's clock is over; where ctimes are whole seconds, two seconds.
[[nodiscard]] std::chrono::nanoseconds unsettled_for(const timespec& changed, const timespec& now);

// Waits until a write from now on gives the file another ctime, so that equal times later mean equal content.
// Costs one tick (or two seconds, see above), and only for a file changed just now.
//
// A write through mmap gives another ctime only when its page was clean: that hole stays.
void settle(const struct stat& facts);

}  // namespace bk::agent
