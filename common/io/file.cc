#include "common/io/file.h"

#include "common/error/error.h"
#include "common/io/temporary.h"
#include "common/random/random.h"
#include "common/text/escape.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <memory>

namespace bk {
namespace {

// Beside `path`, so that a rename can replace it.  Random, because what a crash left behind must not be in
// the way of a later process with the same pid; short, because `path` itself may use all 255 bytes of a name.
std::string temporary_name(const std::string& path) {
  return join_path(parent_of(path), std::string(kTemporaryPrefix) + hex_encode(SystemRandom().bytes(8)));
}

std::string at(std::string_view doing, const std::string& path) {
  return std::string(doing) + " " + quoted(path);
}

// As the kernel names what is open; empty for what has no name.  Only for messages.
std::string doing_to(std::string_view doing, int fd) {
  std::array<char, PATH_MAX> name{};
  const std::string link = "/proc/self/fd/" + std::to_string(fd);
  const ssize_t got = ::readlink(link.c_str(), name.data(), name.size());
  if (got <= 0 || name[0] != '/') return std::string(doing);
  return at(doing, std::string(name.data(), static_cast<std::size_t>(got)));
}

[[noreturn]] void throw_on(int fd, std::string_view doing) {
  const int code = errno;
  throw sys_error(code, doing_to(doing, fd));
}

int rename_flags(const std::string& from, const std::string& to, unsigned flags) {
  return static_cast<int>(::syscall(SYS_renameat2, AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), flags));
}

void sync_both(const std::string& from, const std::string& to) {
  const std::string a = parent_of(from);
  const std::string b = parent_of(to);
  sync_directory(b);  // the new name first: losing the old name alone would lose the file
  if (a != b) sync_directory(a);
}

struct Temporary {
  std::string path;
  Fd owner;  // open until the file has its final name
};

Temporary make_temporary(const std::string& path) {
  for (;;) {
    std::string name = temporary_name(path);
    if (std::optional<Fd> fd = try_create_owned(name)) return {std::move(name), *std::move(fd)};
  }
}

// Writes `bytes` to a new file and syncs it; the name is not durable yet.
void write_synced(const Temporary& file, std::string_view bytes, mode_t mode) {
  try {
    check_sys(::fchmod(file.owner.get(), mode), [&] { return at("setting the mode of", file.path); });
    write_all(file.owner.get(), bytes);
    sync_file(file.owner.get());
  } catch (const Error&) {
    (void)::unlink(file.path.c_str());
    throw;
  }
}

bool create_from(const Temporary& temporary, const std::string& path, std::string_view bytes, mode_t mode) {
  write_synced(temporary, bytes, mode);
  if (rename_flags(temporary.path, path, RENAME_NOREPLACE) < 0) {
    const int code = errno;
    (void)::unlink(temporary.path.c_str());
    if (code == EEXIST) return false;
    throw sys_error(code, at("creating", path));
  }
  sync_directory(parent_of(path));
  return true;
}

}  // namespace

Fd open_file(const std::string& path, int flags, mode_t mode) {
  for (;;) {
    const int fd = ::open(path.c_str(), flags | O_CLOEXEC, mode);
    if (fd >= 0) return Fd(fd);
    if (errno != EINTR) throw sys_error(errno, at("opening", path));
  }
}

Fd open_directory(const std::string& path) { return open_file(path, O_RDONLY | O_DIRECTORY); }

std::string read_rest(int fd, std::uint64_t limit_bytes) {
  std::string out;
  struct stat info {};
  check_sys(::fstat(fd, &info), [&] { return doing_to("reading", fd); });
  if (S_ISREG(info.st_mode) && info.st_size > 0)
    out.reserve(std::min<std::uint64_t>(static_cast<std::uint64_t>(info.st_size) + 1, limit_bytes + 1));
  for (;;) {
    const std::size_t had = out.size();
    const std::size_t want = 65536;
    out.resize(had + want);
    const std::size_t got = read_up_to(fd, out.data() + had, want);
    out.resize(had + got);
    if (out.size() > limit_bytes) throw sys_error(EFBIG, doing_to("reading", fd));
    if (got < want) return out;
  }
}

std::string read_file(const std::string& path, std::uint64_t limit_bytes) {
  return read_rest(open_file(path, O_RDONLY).get(), limit_bytes);
}

std::optional<std::string> try_read_file(const std::string& path, std::uint64_t limit_bytes) {
  try {
    return read_file(path, limit_bytes);
  } catch (const Error& error) {
    if (error.sys_errno() == ENOENT) return std::nullopt;
    throw;
  }
}

void write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n < 0) {
      if (errno == EINTR) continue;
      throw_on(fd, "writing");
    }
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
}

void pwrite_all(int fd, std::string_view bytes, std::uint64_t offset) {
  while (!bytes.empty()) {
    const ssize_t n = ::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (n < 0) {
      if (errno == EINTR) continue;
      throw_on(fd, "writing");
    }
    bytes.remove_prefix(static_cast<std::size_t>(n));
    offset += static_cast<std::uint64_t>(n);
  }
}

void resize_file(int fd, std::uint64_t bytes) {
  if (::ftruncate(fd, static_cast<off_t>(bytes)) < 0) throw_on(fd, "resizing");
}

std::size_t read_up_to(int fd, void* buffer, std::size_t size) {
  char* out = static_cast<char*>(buffer);
  std::size_t done = 0;
  while (done < size) {
    const ssize_t n = ::read(fd, out + done, size - done);
    if (n < 0) {
      if (errno == EINTR) continue;
      throw_on(fd, "reading");
    }
    if (n == 0) break;
    done += static_cast<std::size_t>(n);
  }
  return done;
}

std::size_t pread_up_to(int fd, void* buffer, std::size_t size, std::uint64_t offset) {
  char* out = static_cast<char*>(buffer);
  std::size_t done = 0;
  while (done < size) {
    const ssize_t n = ::pread(fd, out + done, size - done, static_cast<off_t>(offset + done));
    if (n < 0) {
      if (errno == EINTR) continue;
      throw_on(fd, "reading");
    }
    if (n == 0) break;
    done += static_cast<std::size_t>(n);
  }
  return done;
}

void sync_file(int fd) {
  check_sys(::fsync(fd), [&] { return doing_to("syncing", fd); });
}

void sync_directory(const std::string& path) {
  const Fd dir = open_directory(path);
  check_sys(::fsync(dir.get()), [&] { return at("syncing directory", path); });
}

void replace_durably(const std::string& path, std::string_view bytes, mode_t mode) {
  const Temporary temporary = make_temporary(path);
  write_synced(temporary, bytes, mode);
  if (::rename(temporary.path.c_str(), path.c_str()) < 0) {
    const int code = errno;
    (void)::unlink(temporary.path.c_str());
    throw sys_error(code, at("replacing", path));
  }
  sync_directory(parent_of(path));
}

bool create_durably(const std::string& path, std::string_view bytes, mode_t mode) {
  return create_from(make_temporary(path), path, bytes, mode);
}

bool create_durably_by(const std::string& temporary, const std::string& path, std::string_view bytes,
                       mode_t mode) {
  if (::unlink(temporary.c_str()) < 0 && errno != ENOENT) throw sys_error(errno, at("removing", temporary));
  return create_from({temporary, open_file(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW)}, path, bytes,
                     mode);
}

bool create_durably_from(const std::string& folder, const std::string& path, std::string_view bytes,
                         mode_t mode) {
  return create_from(make_temporary(folder + "/beside"), path, bytes, mode);
}

bool rename_noreplace_durably(const std::string& from, const std::string& to) {
  if (rename_flags(from, to, RENAME_NOREPLACE) < 0) {
    if (errno == EEXIST) return false;
    throw sys_error(errno, at("renaming", from) + " to " + quoted(to));
  }
  sync_both(from, to);
  return true;
}

void rename_durably(const std::string& from, const std::string& to) {
  check_sys(::rename(from.c_str(), to.c_str()), [&] { return at("renaming", from) + " to " + quoted(to); });
  sync_both(from, to);
}

void remove_durably(const std::string& path) {
  if (::unlink(path.c_str()) < 0) {
    if (errno == ENOENT) return;
    throw sys_error(errno, at("removing", path));
  }
  sync_directory(parent_of(path));
}

void ensure_directory(const std::string& path, mode_t mode) {
  if (::mkdir(path.c_str(), mode) == 0) {
    sync_directory(parent_of(path));
    return;
  }
  if (errno == EEXIST) {
    if (!is_directory(path)) throw sys_error(ENOTDIR, at("making directory", path));
    return;
  }
  if (errno != ENOENT) throw sys_error(errno, at("making directory", path));
  const std::string parent = parent_of(path);
  if (parent == path) throw sys_error(ENOENT, at("making directory", path));
  ensure_directory(parent, mode);
  ensure_directory(path, mode);
}

bool path_exists(const std::string& path) {
  struct stat info {};
  if (::lstat(path.c_str(), &info) == 0) return true;
  if (errno == ENOENT || errno == ENOTDIR) return false;
  throw sys_error(errno, at("looking at", path));
}

bool is_directory(const std::string& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
}

std::vector<std::string> list_directory(const std::string& path) {
  std::unique_ptr<DIR, int (*)(DIR*)> stream(::opendir(path.c_str()), &::closedir);
  if (!stream) throw sys_error(errno, at("listing", path));
  std::vector<std::string> names;
  for (;;) {
    errno = 0;
    const dirent* entry = ::readdir(stream.get());
    if (entry == nullptr) {
      if (errno != 0) throw sys_error(errno, at("listing", path));
      break;
    }
    const std::string_view n = entry->d_name;
    if (n != "." && n != "..") names.emplace_back(n);
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::string parent_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  if (slash == 0) return "/";
  return path.substr(0, slash);
}

std::string base_name(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string::npos ? path : path.substr(slash + 1);
}

std::string join_path(std::string_view a, std::string_view b) {
  std::string out(a);
  if (!out.empty() && out.back() != '/' && !b.empty()) out += '/';
  out += b;
  return out;
}

std::string clean_absolute(std::string_view path) {
  std::string out;
  if (path.empty() || path.front() != '/') {
    std::unique_ptr<char, void (*)(void*)> cwd(::getcwd(nullptr, 0), &::free);
    if (!cwd) throw sys_error(errno, "finding the current folder");
    out = clean_absolute(cwd.get());
    if (out == "/") out.clear();
  }
  std::size_t begin = 0;
  while (begin <= path.size()) {
    const std::size_t end = std::min(path.find('/', begin), path.size());
    const std::string_view part = path.substr(begin, end - begin);
    if (part == "..")
      throw Error(Kind::Usage, quoted(path) + ": \"..\" in a path; write the path without it");
    if (!part.empty() && part != ".") {
      out += '/';
      out += part;
    }
    begin = end + 1;
  }
  return out.empty() ? "/" : out;
}

}  // namespace bk
