#include "common/io/map.h"

#include "common/error/error.h"
#include "common/io/file.h"
#include "common/text/escape.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <cstdint>

namespace bk {

MappedFile::MappedFile(const std::string& path) : MappedFile(open_file(path, O_RDONLY).get(), path) {}

MappedFile::MappedFile(int fd, const std::string& path) {
  struct stat info {};
  check_sys(::fstat(fd, &info), [&] { return "reading " + quoted(path); });
  if (info.st_size == 0) return;
  const auto size = static_cast<std::size_t>(info.st_size);
  void* const data = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, fd, 0);
  if (data == MAP_FAILED) throw sys_error(errno, "mapping " + quoted(path));
  data_ = data;
  size_ = size;
}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

void MappedFile::drop_pages() const noexcept {
  if (data_ != nullptr) (void)::madvise(data_, size_, MADV_DONTNEED);
}

void MappedFile::read_at_random() const noexcept {
  if (data_ != nullptr) (void)::madvise(data_, size_, MADV_RANDOM);
}

void MappedFile::prefetch(std::string_view part) const noexcept {
  constexpr std::uintptr_t kPage = 4096;
  const auto begin = reinterpret_cast<std::uintptr_t>(part.data()) & ~(kPage - 1);
  const auto end = reinterpret_cast<std::uintptr_t>(part.data()) + part.size();
  if (end > begin) (void)::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_WILLNEED);
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) (void)::munmap(data_, size_);
}

}  // namespace bk
