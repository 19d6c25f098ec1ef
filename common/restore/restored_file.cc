#include "common/restore/restored_file.h"

#include "common/error/error.h"
#include "common/io/file.h"
#include "common/restore/metadata.h"
#include "common/text/escape.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <iterator>
#include <utility>

namespace bk {
namespace {

constexpr std::uint64_t kBulkFile = 16U << 20U;  // nobody needs a restored file of this size in memory

Entry without_content(const Entry& entry) {
  Entry out;
  out.name = entry.name;
  out.type = entry.type;
  out.mode = entry.mode;
  out.uid = entry.uid;
  out.gid = entry.gid;
  out.size = entry.size;
  out.mtime = entry.mtime;
  out.xattrs = entry.xattrs;
  return out;
}

}  // namespace

RestoredFile::RestoredFile(std::shared_ptr<const RestoredDirectory> directory, const Entry& entry,
                           RestoreShared& shared)
    : directory_(std::move(directory)), entry_(without_content(entry)), shared_(shared) {}

RestoredFile::~RestoredFile() {
  if (fd_) --shared_.open;
}

std::string RestoredFile::shown() const { return join_path(shared_.destination, path()); }

// A file that the destination cannot hold (a client may have recorded any length and name) ends itself and
// not the restore.
template <class Body>
void RestoredFile::or_refuse(Body&& body) {
  if (is_lost() || directory_->is_missing()) return;
  try {
    body();
  } catch (const Error& error) {
    if (!ends_only_its_entry(error.sys_errno())) throw;
    refused_ = error.sys_errno();
  }
}

void RestoredFile::make() {
  constexpr int kNew = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
  const int at = directory_->fd.get();
  fd_ = Fd(::openat(at, entry_.name.c_str(), kNew, 0600));
  if (!fd_ && errno == EEXIST && shared_.goes_on && ::unlinkat(at, entry_.name.c_str(), 0) == 0)
    fd_ = Fd(::openat(at, entry_.name.c_str(), kNew, 0600));
  if (!fd_) throw sys_error(errno, "making " + quoted(shown()));
  ++shared_.open;
  made_ = true;
  // An ACL that our own entry's folder presets is not the backup's.
  if (directory_->is_top) (void)::fremovexattr(fd_.get(), "system.posix_acl_access");
}

Fd RestoredFile::reopen(int flags) const {
  Fd again(::openat(directory_->fd.get(), entry_.name.c_str(), flags | O_NOFOLLOW | O_CLOEXEC));
  struct stat st {};
  if (!again || ::fstat(again.get(), &st) != 0)
    throw sys_error(errno, "opening " + quoted(shown()) + " again");
  if (st.st_dev != device_ || st.st_ino != inode_)
    throw Error(Kind::Io, quoted(shown()) + " was replaced while it was being written");
  return again;
}

void RestoredFile::open() {
  if (fd_) return;
  if (!made_) return make();
  // From its first change on it looks as if it had just been made.
  if (earlier_ && !std::exchange(writable_, true)) {
    const Fd read = reopen(O_RDONLY);
    if (::geteuid() == 0) (void)::fchown(read.get(), 0, 0);
    check_sys(::fchmod(read.get(), 0600), [&] { return "opening " + quoted(shown()); });
  }
  fd_ = reopen(O_WRONLY);
  ++shared_.open;
}

void RestoredFile::close_for_now() {
  struct stat st {};
  check_sys(::fstat(fd_.get(), &st), [&] { return "reading " + quoted(shown()); });
  device_ = st.st_dev;
  inode_ = st.st_ino;
  fd_.close();
  --shared_.open;
}

void RestoredFile::write(std::uint64_t offset, std::string_view bytes) {
  if (offset > entry_.size || bytes.size() > entry_.size - offset)
    throw Error(Kind::Protocol, "content beyond the end of " + quoted(shown()));
  const std::uint64_t begin = offset;
  while (!bytes.empty()) {
    const ssize_t n = ::pwrite(fd_.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) throw sys_error(errno, "writing " + quoted(shown()));
    bytes.remove_prefix(static_cast<std::size_t>(n));
    offset += static_cast<std::uint64_t>(n);
  }
  end_ = std::max(end_, offset);
  if (earlier_) known_.add(begin, offset - begin);
  if (entry_.size >= kBulkFile) behind_.wrote(fd_.get(), begin, offset - begin);
}

void RestoredFile::expect(FilePart part) {
  const std::lock_guard<std::mutex> lock(mutex_);
  BK_CHECK(!finished_);
  left_ += part.placed_bytes;
  continues_ = part.continues;
  std::move(part.inlines.begin(), part.inlines.end(), std::back_inserter(inlines_));
}

void RestoredFile::write_inlines() {
  if (inlines_.empty()) return;
  or_refuse([&] {
    open();
    for (const auto& [offset, bytes] : inlines_) write(offset, bytes);
  });
  inlines_.clear();
}

void RestoredFile::put(std::span<const FileRun> runs) {
  const std::lock_guard<std::mutex> lock(mutex_);
  std::uint64_t bytes = 0;
  for (const FileRun& run : runs) bytes += run.bytes.size();
  require_announced(bytes);
  or_refuse([&] {
    open();
    for (const FileRun& run : runs) write(run.offset, run.bytes);
  });
  count(bytes);
  if (fd_ && shared_.open > shared_.most_open) close_for_now();
}

std::optional<EarlierFile> RestoredFile::earlier() {
  if (finished_ || is_lost() || directory_->is_missing() || !inlines_.empty()) return std::nullopt;
  if (made_ && !earlier_) return std::nullopt;
  std::optional<EarlierFile> found = find_earlier(directory_->fd.get(), entry_);
  if (earlier_ && (!found || found->st.st_ino != inode_ || found->st.st_dev != device_)) {
    // Begun to be changed in the window before.
    found.emplace();
    found->fd = reopen(O_RDONLY);
    check_sys(::fstat(found->fd.get(), &found->st), [&] { return "reading " + quoted(shown()); });
  }
  return found;
}

std::vector<bool> RestoredFile::keep(std::span<const RestorePlace> places, std::string& buffer) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const std::vector<bool> none(places.size());
  const std::optional<EarlierFile> found = earlier();
  if (!found) return none;
  std::vector<bool> kept = compare(found->fd.get(), entry_.size, places, shared_.id_bytes, buffer);
  ByteRanges known = known_;
  std::uint64_t bytes = 0;
  for (std::size_t i = 0; i < places.size(); ++i) {
    if (!kept[i]) continue;
    known.add(places[i].offset, places[i].bytes);
    bytes += places[i].bytes;
  }
  // One with several names is never changed, so it is right as a whole or made anew.
  if (found->is_shared() && (continues_ || earlier_ || !known.covers(entry_.size))) {
    if (earlier_) throw Error(Kind::Io, quoted(shown()) + " got another name while it was being written");
    return none;
  }
  known_ = std::move(known);
  made_ = earlier_ = true;
  shared_names_ = found->is_shared();
  device_ = found->st.st_dev;
  inode_ = found->st.st_ino;
  count(bytes);
  return kept;
}

void RestoredFile::settle(std::uint64_t bytes) {
  const std::lock_guard<std::mutex> lock(mutex_);
  count(bytes);
}

void RestoredFile::spoil(const std::string& reason) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (finished_ || is_lost()) return;
  damage_ = reason;
}

bool RestoredFile::finished() {
  const std::lock_guard<std::mutex> lock(mutex_);
  return finished_;
}

void RestoredFile::require_announced(std::uint64_t bytes) const {
  if (bytes > left_) throw Error(Kind::Protocol, "more content than announced of " + quoted(shown()));
}

void RestoredFile::count(std::uint64_t bytes) {
  require_announced(bytes);
  if (finished_) return;  // by those bytes that came while the last, empty part was on its way
  left_ -= bytes;
  write_inlines();
  if (left_ == 0 && !continues_) finish();
}

// Holes are what nobody mentions, whatever an earlier restore left there.
void RestoredFile::fill_gaps() {
  const Fd read = reopen(O_RDONLY);
  struct stat st {};
  check_sys(::fstat(read.get(), &st), [&] { return "reading " + quoted(shown()); });
  if (static_cast<std::uint64_t>(st.st_size) != entry_.size) {
    open();
    check_sys(::ftruncate(fd_.get(), static_cast<off_t>(entry_.size)),
              [&] { return "setting the length of " + quoted(shown()); });
  }
  known_.for_each_gap(entry_.size, [&](std::uint64_t begin, std::uint64_t end) {
    if (!has_data(read.get(), begin, end)) return;
    open();
    if (const int code = clear_range(fd_.get(), begin, end))
      throw sys_error(code, "making a hole in " + quoted(shown()));
  });
}

// What it holds, and its length.
void RestoredFile::complete() {
  if (earlier_) {
    fill_gaps();
    if (fd_) return;
    fd_ = reopen(O_RDONLY);
    ++shared_.open;
    return;
  }
  open();
  // Makes a hole at the end, too.
  if (end_ < entry_.size)
    check_sys(::ftruncate(fd_.get(), static_cast<off_t>(entry_.size)),
              [&] { return "setting the length of " + quoted(shown()); });
}

void RestoredFile::finish() {
  finished_ = true;
  or_refuse([&] {
    complete();
    behind_.let_go(fd_.get());
    // A kept one with several names has all of it, and may not be ours to give away.
    if (!shared_names_ || ::geteuid() != 0) set_metadata(fd_.get(), entry_, shared_.report, shown());
    fd_.close();
    --shared_.open;
  });
  if (is_lost()) abandon();
  if (directory_->is_missing()) shared_.report.leave_out_below(shown());
  if (refused_ != 0) shared_.report.leave_out("file not restored", system_words(refused_), shown());
  entry_.xattrs.clear();
}

void RestoredFile::abandon() {
  if (fd_) --shared_.open;
  fd_.reset();
  if (directory_->is_missing() || !(made_ || shared_.goes_on)) return;
  if (::unlinkat(directory_->fd.get(), entry_.name.c_str(), 0) == 0 || !made_) return;
  throw sys_error(errno, "removing " + quoted(shown()));
}

}  // namespace bk
