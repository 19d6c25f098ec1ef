#include "common/ssh/pace.h"

#include "common/error/error.h"
#include "common/io/fd.h"
#include "common/io/file.h"
#include "common/text/escape.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <thread>

namespace bk::ssh {
namespace {

using std::chrono::duration_cast;
using std::chrono::nanoseconds;

// The file: the boot's name, then the number.
constexpr std::size_t kBootBytes = 40, kFileBytes = kBootBytes + sizeof(std::int64_t);

std::int64_t now_ns() {
  return duration_cast<nanoseconds>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

std::string this_boot() {
  std::string id = try_read_file("/proc/sys/kernel/random/boot_id").value_or("unknown");
  id.resize(kBootBytes, ' ');
  return id;
}

Fd open_file(const std::string& path) {
  ensure_directory(parent_of(path));
  Fd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  check_sys(fd.get(), [&] { return "opening " + quoted(path); });
  check_sys(::flock(fd.get(), LOCK_EX), [&] { return "locking " + quoted(path); });
  std::string found(kFileBytes, '\0');
  found.resize(pread_up_to(fd.get(), found.data(), found.size(), 0));
  const std::string boot = this_boot();
  if (found.size() == kFileBytes && found.starts_with(boot)) return fd;
  const std::string fresh = boot + std::string(sizeof(std::int64_t), '\0');
  check_sys(::pwrite(fd.get(), fresh.data(), fresh.size(), 0), [&] { return "writing " + quoted(path); });
  return fd;
}

}  // namespace

Pace::Pace(const Bandwidth& limit) : rate_(std::max<std::uint64_t>(limit.bytes_per_second, 1)) {
  const Fd fd = open_file(limit.file);
  page_ = ::mmap(nullptr, kFileBytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
  (void)::flock(fd.get(), LOCK_UN);  // the mapping keeps the file open, and with it the lock
  if (page_ == MAP_FAILED) throw sys_error(errno, "mapping " + quoted(limit.file));
}

Pace::~Pace() { (void)::munmap(page_, kFileBytes); }

std::int64_t* Pace::paid_at() const {
  return reinterpret_cast<std::int64_t*>(static_cast<char*>(page_) + kBootBytes);
}

void Pace::take(std::uint64_t bytes) {
  const std::atomic_ref<std::int64_t> paid(*paid_at());
  const auto cost = static_cast<std::int64_t>(static_cast<double>(bytes) * 1e9 / static_cast<double>(rate_));
  const std::int64_t now = now_ns();
  const std::int64_t earliest = now - duration_cast<nanoseconds>(kBurst).count();
  const std::int64_t latest = now + duration_cast<nanoseconds>(kMostDebt).count();
  std::int64_t before = paid.load();
  while (!paid.compare_exchange_weak(before, std::min(std::max(before, earliest) + cost, latest))) {
  }
}

void Pace::wait() const {
  for (;;) {
    const std::int64_t left = std::atomic_ref<std::int64_t>(*paid_at()).load() - now_ns();
    if (left <= 0) return;
    std::this_thread::sleep_for(nanoseconds(std::min(left, duration_cast<nanoseconds>(kMostDebt).count())));
    if (left >= duration_cast<nanoseconds>(kMostDebt).count()) return;
  }
}

}  // namespace bk::ssh
