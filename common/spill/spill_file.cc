#include "common/spill/spill_file.h"

#include "common/error/error.h"
#include "common/io/file.h"
#include "common/text/escape.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>

namespace bk {

int SpillFile::open() noexcept {
  if (fd_) return 0;
  fd_ = Fd(::open(directory_.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  if (fd_) return 0;
  const int error = errno;
  if (error != EOPNOTSUPP && error != EISDIR && error != EINVAL) return error;
  std::string name = join_path(directory_, ".spill-XXXXXX");
  fd_ = Fd(::mkostemp(name.data(), O_CLOEXEC));
  if (!fd_) return errno;
  (void)::unlink(name.c_str());
  return 0;
}

SpillFile::Region& SpillFile::Region::operator=(Region&& other) noexcept {
  if (this == &other) return *this;
  reset();
  file_ = std::move(other.file_);
  begin_ = std::exchange(other.begin_, 0);
  bytes_ = std::exchange(other.bytes_, 0);
  return *this;
}

void SpillFile::Region::reset() noexcept {
  if (file_) file_->release(begin_);
  file_.reset();
  begin_ = bytes_ = 0;
}

std::size_t SpillFile::Region::read(std::uint64_t offset, char* buffer, std::size_t size) const {
  const std::size_t wanted = std::min<std::uint64_t>(size, bytes_ - std::min(bytes_, offset));
  if (wanted == 0) return 0;
  const std::size_t got = pread_up_to(file_->fd_.get(), buffer, wanted, begin_ + offset);
  if (got != wanted) throw sys_error(EIO, "reading back a temporary file");
  return got;
}

SpillFile::Region SpillFile::begin(const std::shared_ptr<SpillFile>& file) {
  const int error = file->open();
  if (error != 0) throw sys_error(error, "making a temporary file in " + quoted(file->directory_));
  Region region(file, file->end_);
  file->live_[file->end_] = file->end_;
  ++file->end_;  // so that two empty regions differ
  return region;
}

void SpillFile::append(Region& region, std::string_view bytes) {
  SpillFile& file = *region.file_;
  while (!bytes.empty()) {
    const ssize_t put = ::pwrite(file.fd_.get(), bytes.data(), bytes.size(),
                                 static_cast<off_t>(region.begin_ + region.bytes_));
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) throw sys_error(errno, "writing a temporary file in " + quoted(file.directory_));
    region.bytes_ += static_cast<std::uint64_t>(put);
    bytes.remove_prefix(static_cast<std::size_t>(put));
  }
  file.live_[region.begin_] = region.begin_ + region.bytes_;
  file.end_ = std::max(file.end_, region.begin_ + region.bytes_);
}

void SpillFile::release(std::uint64_t begin) noexcept {
  const auto at = live_.find(begin);
  if (at == live_.end()) return;
  const std::uint64_t end = at->second;
  const bool last = std::next(at) == live_.end();
  live_.erase(at);
  // The room is given back on a best-effort basis: the file has no name and goes with the process.
  if (!last) {
    (void)::fallocate(fd_.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(begin),
                      static_cast<off_t>(end - begin));
    return;
  }
  end_ = live_.empty() ? 0 : live_.rbegin()->second + 1;
  (void)!::ftruncate(fd_.get(), static_cast<off_t>(end_));
}

}  // namespace bk
