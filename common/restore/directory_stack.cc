#include "common/restore/directory_stack.h"

#include "common/error/error.h"
#include "common/io/file.h"
#include "common/path/names.h"
#include "common/text/escape.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <utility>

namespace bk {
namespace {

constexpr std::size_t kOpenLevels = 64;
constexpr std::size_t kMostLevels = 65536;
constexpr int kDirectory = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;

}  // namespace

void require_component(const std::string& name, const std::string& folder) {
  if (is_component(name)) return;
  throw Error(Kind::Corrupt,
              "the backup holds the impossible name " + quoted(name) + " in " + quoted(folder));
}

DirectoryStack::DirectoryStack(int destination, std::string shown, bool goes_on)
    : shown_(std::move(shown)), goes_on_(goes_on) {
  auto top = std::make_shared<RestoredDirectory>();
  top->is_top = true;
  top->fd =
      Fd(check_sys(::fcntl(destination, F_DUPFD_CLOEXEC, 0), [&] { return "opening " + quoted(shown_); }));
  levels_.push_back({std::move(top), {}, 0, 0});
}

std::string DirectoryStack::shown(const std::string& name) const { return join_path(shown_, path_ + name); }

void DirectoryStack::put_away(Level& level) {
  struct stat st {};
  check_sys(::fstat(level.directory->fd.get(), &st), [] { return "reading a folder"; });
  level.device = st.st_dev;
  level.inode = st.st_ino;
  level.directory.reset();
}

// It may be finished: then others may look in, a plain user may be locked out, and what is made in it would
// inherit an ACL.
Fd DirectoryStack::open_earlier(const Entry& directory) const {
  const int at = here()->fd.get();
  const char* name = directory.name.c_str();
  Fd fd(::openat(at, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!fd) return fd;
  const bool is_root = ::geteuid() == 0;
  if (is_root && depth() == 0 && ::fchownat(fd.get(), "", 0, 0, AT_EMPTY_PATH) != 0) return {};
  if (!is_root || depth() == 0) {
    const std::string path = "/proc/self/fd/" + std::to_string(fd.get());
    if (::chmod(path.c_str(), 0700) != 0) return {};
  }
  Fd open(::openat(at, name, kDirectory));
  if (open) (void)::fremovexattr(open.get(), "system.posix_acl_default");
  return open;
}

// The root of a tree has a name that we gave: what the system says of it ends the restore.
std::shared_ptr<RestoredDirectory> DirectoryStack::make(const Entry& directory, int& refused) const {
  auto made = std::make_shared<RestoredDirectory>();
  const int at = here()->fd.get();
  const bool is_new = ::mkdirat(at, directory.name.c_str(), 0700) == 0;
  if (is_new) made->fd = Fd(::openat(at, directory.name.c_str(), kDirectory));
  if (!is_new && errno == EEXIST && goes_on_) {
    made->fd = open_earlier(directory);
    if (!made->fd && errno == ENOTDIR) errno = EEXIST;  // something else has its name
  }
  if (!made->fd) {
    const int code = errno;
    if (is_new || depth() == 0 || !ends_only_its_entry(code))
      throw sys_error(code, "making the folder " + quoted(shown(directory.name)));
    refused = code;
    return made;
  }
  // What our own entry's folder presets is not the backup's.
  if (depth() == 0)
    for (const char* preset : {"system.posix_acl_default", "system.posix_acl_access"})
      (void)::fremovexattr(made->fd.get(), preset);
  return made;
}

int DirectoryStack::enter(const Entry& directory) {
  require_component(directory.name, shown(""));
  if (levels_.size() > kMostLevels) throw Error(Kind::Corrupt, "folders are nested too deeply");
  int refused = 0;
  auto made = here()->is_missing() ? std::make_shared<RestoredDirectory>() : make(directory, refused);
  path_ += directory.name + "/";
  made->path = path_;
  levels_.push_back({std::move(made), directory, 0, 0});
  save_descriptors();
  return refused;
}

// The outermost stays: it is not ours to be found again.  So does the last one above a missing one, which
// has no way up.
void DirectoryStack::save_descriptors() {
  if (levels_.size() <= kOpenLevels + 1) return;
  const std::size_t at = levels_.size() - 1 - kOpenLevels;
  if (!levels_[at].directory->is_missing() && !levels_[at + 1].directory->is_missing()) put_away(levels_[at]);
}

void DirectoryStack::open_again(const RestoredDirectory& child, Level& level) const {
  auto again = std::make_shared<RestoredDirectory>();
  again->fd =
      Fd(check_sys(::openat(child.fd.get(), "..", kDirectory), [] { return "opening a parent folder"; }));
  again->path = child.path.substr(0, child.path.rfind('/', child.path.size() - 2) + 1);
  struct stat st {};
  check_sys(::fstat(again->fd.get(), &st), [] { return "reading a parent folder"; });
  // Somebody moved the tree while it was being written: going on could write anywhere.
  if (st.st_dev != level.device || st.st_ino != level.inode)
    throw Error(Kind::Io, "the folder " + quoted(join_path(shown_, again->path)) +
                              " was moved while it was being written");
  level.directory = std::move(again);
}

DirectoryStack::Left DirectoryStack::leave() {
  BK_CHECK(depth() > 0);
  Level last = std::move(levels_.back());
  levels_.pop_back();
  // Before the mode may lock a plain user out.
  if (!levels_.back().directory) open_again(*last.directory, levels_.back());
  path_ = levels_.back().directory->path;
  return {std::move(last.directory), std::move(last.entry)};
}

}  // namespace bk
