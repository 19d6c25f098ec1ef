#include "common/io/temporary.h"

#include "common/error/error.h"
#include "common/io/file.h"
#include "common/io/lock.h"
#include "common/text/escape.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

namespace bk {

bool is_temporary_name(std::string_view name) {
  if (name.size() != kTemporaryPrefix.size() + 16 || !name.starts_with(kTemporaryPrefix)) return false;
  name.remove_prefix(kTemporaryPrefix.size());
  return name.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

std::optional<Fd> try_create_owned(const std::string& path, mode_t mode) {
  Fd fd;
  try {
    fd = open_file(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, mode);
  } catch (const Error& error) {
    if (error.sys_errno() == EEXIST) return std::nullopt;
    throw;
  }
  // Between the two calls somebody may have taken it for a leftover: he holds the lock, or it is gone.
  struct stat info {};
  if (!try_lock_descriptor(fd.get())) return std::nullopt;
  check_sys(::fstat(fd.get(), &info), [] { return "looking at a new file"; });
  if (info.st_nlink == 0) return std::nullopt;
  return fd;
}

Fd make_unnamed(const std::string& directory) {
  Fd fd(::open(directory.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  if (fd) return fd;
  // A file system without such files: the kernel's answers to a flag that it does not know.
  if (errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL) {
    std::string name = join_path(directory, ".tmp-XXXXXX");
    fd = Fd(::mkostemp(name.data(), O_CLOEXEC));
    if (fd) (void)::unlink(name.c_str());
  }
  if (!fd) throw sys_error(errno, "making a temporary file in " + quoted(directory));
  return fd;
}

bool remove_abandoned(const std::string& path) noexcept {
  const Fd fd(::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (fd.get() < 0 || ::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) return false;
  return ::unlink(path.c_str()) == 0;  // by now it may have its final name: then this one is gone
}

std::size_t remove_abandoned_in(const std::string& folder) {
  if (!path_exists(folder)) return 0;
  std::size_t gone = 0;
  for (const std::string& name : list_directory(folder)) {
    if (is_temporary_name(name) && remove_abandoned(join_path(folder, name))) ++gone;
  }
  return gone;
}

}  // namespace bk
