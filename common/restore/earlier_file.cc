#include "common/restore/earlier_file.h"

#include "common/error/error.h"
#include "common/io/file.h"

#include <fcntl.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace bk {
namespace {

constexpr mode_t kUnfinishedMode = 0600;

bool same_attributes(int fd, const Entry& entry) {
  std::string value;
  for (const Xattr& attribute : entry.xattrs) {
    value.resize(attribute.value.size() + 1);
    const ssize_t n = ::fgetxattr(fd, attribute.name.c_str(), value.data(), value.size());
    if (n < 0 || std::string_view(value.data(), static_cast<std::size_t>(n)) != attribute.value) return false;
  }
  return true;
}

// A plain user can neither set owners nor give anything away.
bool looks_finished(const EarlierFile& file, const Entry& entry) {
  const struct stat& st = file.st;
  if (static_cast<std::uint64_t>(st.st_size) != entry.size || st.st_mtim.tv_sec != entry.mtime.seconds ||
      st.st_mtim.tv_nsec != static_cast<long>(entry.mtime.nanoseconds))
    return false;
  if (::geteuid() != 0) return st.st_uid == ::geteuid() || st.st_uid == entry.uid;
  return st.st_uid == entry.uid && st.st_gid == entry.gid && (st.st_mode & 07777U) == entry.mode &&
         (!file.is_shared() || same_attributes(file.fd.get(), entry));
}

bool is_ours_unfinished(const struct stat& st) {
  return st.st_nlink == 1 && st.st_uid == ::geteuid() && (st.st_mode & 07777U) == kUnfinishedMode;
}

bool holds(int fd, const RestorePlace& place, std::size_t id_bytes, std::string& buffer) {
  buffer.resize(std::max<std::size_t>(buffer.size(), place.bytes));
  if (pread_up_to(fd, buffer.data(), place.bytes, place.offset) != place.bytes) return false;
  const ChunkId found = chunk_id(ObjectKind::Data, {buffer.data(), place.bytes});
  return std::memcmp(found.bytes.data(), place.id.bytes.data(), id_bytes) == 0;
}

}  // namespace

std::optional<EarlierFile> find_earlier(int directory, const Entry& entry) {
  EarlierFile out;
  out.fd =
      Fd(::openat(directory, entry.name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  if (!out.fd || ::fstat(out.fd.get(), &out.st) != 0 || !S_ISREG(out.st.st_mode)) return std::nullopt;
  if (!looks_finished(out, entry) && !is_ours_unfinished(out.st)) return std::nullopt;
  return out;
}

std::vector<bool> compare(int fd, std::uint64_t size, std::span<const RestorePlace> places,
                          std::size_t id_bytes, std::string& buffer) {
  std::vector<bool> out;
  for (const RestorePlace& place : places) {
    if (place.bytes == 0 || place.offset > size || place.bytes > size - place.offset)
      throw Error(Kind::Protocol, "a place outside of its file");
    out.push_back(holds(fd, place, id_bytes, buffer));
  }
  return out;
}

void ByteRanges::add(std::uint64_t begin, std::uint64_t bytes) {
  std::uint64_t end = begin + bytes;
  auto next = ranges_.upper_bound(begin);
  if (next != ranges_.begin() && std::prev(next)->second >= begin) {
    --next;
    begin = next->first;
  }
  while (next != ranges_.end() && next->first <= end) {
    end = std::max(end, next->second);
    next = ranges_.erase(next);
  }
  ranges_[begin] = end;
}

bool ByteRanges::covers(std::uint64_t size) const {
  return size == 0 || (ranges_.size() == 1 && ranges_.begin()->first == 0 && ranges_.begin()->second >= size);
}

void ByteRanges::for_each_gap(std::uint64_t size,
                              const std::function<void(std::uint64_t begin, std::uint64_t end)>& body) const {
  std::uint64_t at = 0;
  for (const auto& [begin, end] : ranges_) {
    if (begin > at) body(at, begin);
    at = end;
  }
  if (at < size) body(at, size);
}

bool has_data(int fd, std::uint64_t begin, std::uint64_t end) {
  const off_t data = ::lseek(fd, static_cast<off_t>(begin), SEEK_DATA);
  if (data < 0) return errno != ENXIO;
  return static_cast<std::uint64_t>(data) < end;
}

int clear_range(int fd, std::uint64_t begin, std::uint64_t end) {
  if (::fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(begin),
                  static_cast<off_t>(end - begin)) == 0)
    return 0;
  const std::string zeros(64U << 10U, '\0');
  while (begin < end) {
    const ssize_t n = ::pwrite(fd, zeros.data(), std::min<std::uint64_t>(zeros.size(), end - begin),
                               static_cast<off_t>(begin));
    if (n < 0 && errno != EINTR) return errno;
    if (n > 0) begin += static_cast<std::uint64_t>(n);
  }
  return 0;
}

}  // namespace bk
