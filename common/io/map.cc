#include "common/io/map.h"

#include "common/error/error.h"
#include "common/io/file.h"
#include "common/text/escape.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

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

MappedFile::~MappedFile() {
  if (data_ != nullptr) (void)::munmap(data_, size_);
}

}  // namespace bk
