// Removing a tree of any depth with a handful of descriptors: what lies deeper is first renamed up into the
// root that is being removed, so that nothing is ever deeper than one level when its turn comes.
#include "common/error/error.h"
#include "common/io/file.h"
#include "common/text/escape.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>
#include <memory>

namespace bk {
namespace {

class TreeRemover {
 public:
  TreeRemover(int root, const std::string& shown) : root_(root), shown_(shown) {}

  // Empties the root.
  void run() {
    for (;;) {
      const std::vector<std::string> names = some_names(root_);
      if (names.empty()) return;
      for (const std::string& name : names) {
        if (!removed(root_, name)) flatten(name);
      }
    }
  }

 private:
  [[noreturn]] void fail(int code) const { throw sys_error(code, "removing " + quoted(shown_)); }

  // In portions: removing while reading may skip names on some file systems.
  std::vector<std::string> some_names(int directory) const {
    const int copy = ::openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (copy < 0) fail(errno);
    const std::unique_ptr<DIR, int (*)(DIR*)> stream(::fdopendir(copy), &::closedir);
    if (!stream) {
      const int code = errno;
      (void)::close(copy);
      fail(code);
    }
    std::vector<std::string> names;
    while (names.size() < 4096) {
      errno = 0;
      const dirent* entry = ::readdir(stream.get());
      if (entry == nullptr) {
        if (errno != 0) fail(errno);
        break;
      }
      const std::string_view name = entry->d_name;
      if (name != "." && name != "..") names.emplace_back(name);
    }
    return names;
  }

  // False for a directory that holds something.
  [[nodiscard]] bool removed(int directory, const std::string& name) const {
    if (::unlinkat(directory, name.c_str(), 0) == 0 || errno == ENOENT) return true;
    if (errno != EISDIR && errno != EPERM) fail(errno);
    if (::unlinkat(directory, name.c_str(), AT_REMOVEDIR) == 0 || errno == ENOENT) return true;
    if (errno != ENOTEMPTY && errno != EEXIST) fail(errno);
    return false;
  }

  // Opens a directory of the tree; one that its owner may not write is made writable, else it could not be
  // emptied.
  [[nodiscard]] Fd enter(int directory, const std::string& name) const {
    constexpr int kFlags = O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    const Fd handle(::openat(directory, name.c_str(), O_PATH | kFlags));
    if (!handle) fail(errno);
    struct stat info {};
    if (::fstat(handle.get(), &info) == 0 && (info.st_mode & S_IRWXU) != S_IRWXU)
      (void)::chmod(("/proc/self/fd/" + std::to_string(handle.get())).c_str(), S_IRWXU);
    Fd opened(::openat(directory, name.c_str(), O_RDONLY | kFlags));
    if (!opened) fail(errno);
    return opened;
  }

  // Removes the directory `name` of the root; its non-empty subdirectories become entries of the root.
  void flatten(const std::string& name) {
    const Fd directory = enter(root_, name);
    for (;;) {
      const std::vector<std::string> names = some_names(directory.get());
      if (names.empty()) break;
      for (const std::string& child : names) {
        if (!removed(directory.get(), child)) lift(directory.get(), child);
      }
    }
    if (::unlinkat(root_, name.c_str(), AT_REMOVEDIR) < 0 && errno != ENOENT) fail(errno);
  }

  void lift(int directory, const std::string& child) {
    // Moving a directory changes its "..", so it must be writable, too.
    (void)enter(directory, child);
    for (;;) {
      const std::string target = ".removed-" + std::to_string(serial_++);
      if (::syscall(SYS_renameat2, directory, child.c_str(), root_, target.c_str(), RENAME_NOREPLACE) == 0)
        return;
      if (errno != EEXIST) fail(errno);
    }
  }

  int root_;
  const std::string& shown_;
  std::uint64_t serial_ = 0;
};

}  // namespace

void remove_tree(const std::string& path) {
  if (::unlink(path.c_str()) == 0 || errno == ENOENT) return;
  if (errno != EISDIR && errno != EPERM) throw sys_error(errno, "removing " + quoted(path));
  if (::rmdir(path.c_str()) == 0) return;
  const Fd root(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!root) throw sys_error(errno, "removing " + quoted(path));
  TreeRemover(root.get(), path).run();
  if (::rmdir(path.c_str()) < 0 && errno != ENOENT) throw sys_error(errno, "removing " + quoted(path));
}

}  // namespace bk
