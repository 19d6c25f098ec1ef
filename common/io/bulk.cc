#include "common/io/bulk.h"

#include "common/io/file.h"

#include <fcntl.h>
#include <sys/uio.h>

namespace bk {
namespace {

constexpr std::uint64_t kStartBytes = 8U << 20U;    // one request of a size that disks like
constexpr std::uint64_t kFlightBytes = 32U << 20U;  // may be on their way to the disk

off_t signed_of(std::uint64_t n) { return static_cast<off_t>(n); }

}  // namespace

void WriteBehind::wrote(int fd, std::uint64_t offset, std::uint64_t bytes) {
  if (fresh_.end != offset) start(fd);
  if (fresh_.begin == fresh_.end) fresh_.begin = offset;
  fresh_.end = offset + bytes;
  if (fresh_.end - fresh_.begin >= kStartBytes) start(fd);
}

// Only hints: what fails here is told by the next fsync, because waiting alone takes an error away.
void WriteBehind::start(int fd) {
  const std::uint64_t bytes = fresh_.end - fresh_.begin;
  if (bytes == 0) return;
  (void)::sync_file_range(fd, signed_of(fresh_.begin), signed_of(bytes), SYNC_FILE_RANGE_WRITE);
  ranges_.push_back(fresh_);
  started_ += bytes;
  fresh_.begin = fresh_.end;
  let_go_beyond(fd, kFlightBytes);
}

void WriteBehind::let_go_beyond(int fd, std::uint64_t kept) {
  while (started_ > kept) {
    const Range range = ranges_.front();
    ranges_.pop_front();
    started_ -= range.end - range.begin;
    (void)::posix_fadvise(fd, signed_of(range.begin), signed_of(range.end - range.begin),
                          POSIX_FADV_DONTNEED);
  }
}

void WriteBehind::let_go(int fd) {
  start(fd);
  let_go_beyond(fd, 0);
}

std::size_t pread_in_passing(int fd, void* buffer, std::size_t size, std::uint64_t offset) {
  iovec into{buffer, size};
  const ssize_t cached = ::preadv2(fd, &into, 1, signed_of(offset), RWF_NOWAIT);
  if (cached >= 0 && static_cast<std::size_t>(cached) == size) return size;
  const std::size_t got = pread_up_to(fd, buffer, size, offset);
  (void)::posix_fadvise(fd, signed_of(offset), signed_of(got), POSIX_FADV_DONTNEED);
  return got;
}

}  // namespace bk
