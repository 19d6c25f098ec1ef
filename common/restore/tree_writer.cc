#include "common/restore/tree_writer.h"

#include "common/error/error.h"
#include "common/io/file.h"
#include "common/path/names.h"
#include "common/restore/metadata.h"
#include "common/text/escape.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <system_error>

namespace bk {
namespace {

// Descriptors of so many innermost directories stay open; an outer one is opened again through "..".
constexpr std::size_t kOpenLevels = 64;

void check_name(const Entry& entry, const std::string& shown) {
  if (is_component(entry.name)) return;
  throw Error(Kind::Corrupt,
              "the backup holds the impossible name " + quoted(entry.name) + " in " + quoted(shown));
}

Entry without_content(const Entry& entry) {
  Entry copy = entry;
  copy.content.clear();
  copy.content.shrink_to_fit();
  return copy;
}

mode_t special_type(EntryType type) {
  switch (type) {
    case EntryType::Fifo:
      return S_IFIFO;
    case EntryType::Socket:
      return S_IFSOCK;
    case EntryType::CharDevice:
      return S_IFCHR;
    case EntryType::BlockDevice:
      return S_IFBLK;
    default:
      return 0;
  }
}

Fd open_below(int at, const std::string& name) {
  Fd fd(::openat(at, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!fd) throw sys_error(errno, "opening " + quoted(name));
  return fd;
}

}  // namespace

RestoredFile::RestoredFile(Fd fd, std::shared_ptr<Fd> directory, Entry entry, std::string shown,
                           RestoreReport& report)
    : fd_(std::move(fd)),
      directory_(std::move(directory)),
      entry_(std::move(entry)),
      shown_(std::move(shown)),
      report_(report) {}

void RestoredFile::write(std::uint64_t offset, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::pwrite(fd_.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) throw sys_error(errno, "writing " + quoted(shown_));
    bytes.remove_prefix(static_cast<std::size_t>(n));
    offset += static_cast<std::uint64_t>(n);
  }
}

void RestoredFile::finish() {
  // Makes a hole at the end, too.
  check_sys(::ftruncate(fd_.get(), static_cast<off_t>(entry_.size)),
            [&] { return "setting the length of " + quoted(shown_); });
  set_metadata(fd_.get(), entry_, report_, shown_);
  fd_.close();
}

void RestoredFile::abandon() {
  fd_.reset();
  check_sys(::unlinkat(directory_->get(), entry_.name.c_str(), 0),
            [&] { return "removing " + quoted(shown_); });
}

TreeWriter::TreeWriter(int destination_fd, std::string shown, RestoreReport& report)
    : destination_fd_(destination_fd), shown_(std::move(shown)), report_(report) {}

int TreeWriter::here() const { return levels_.empty() ? destination_fd_ : levels_.back().fd->get(); }

std::string TreeWriter::path_of(const std::string& name) const { return path_ + name; }

std::string TreeWriter::shown(const std::string& name) const { return join_path(shown_, path_ + name); }

void TreeWriter::enter(const Entry& directory) {
  check_name(directory, shown(""));
  const std::string where = shown(directory.name);
  check_sys(::mkdirat(here(), directory.name.c_str(), 0700),
            [&] { return "making the folder " + quoted(where); });
  Level level;
  level.fd = std::make_shared<Fd>(open_below(here(), directory.name));
  level.entry = without_content(directory);
  level.path_bytes = path_.size();
  struct stat st {};
  check_sys(::fstat(level.fd->get(), &st), [&] { return "reading " + quoted(where); });
  level.device = st.st_dev;
  level.inode = st.st_ino;
  path_ += directory.name + "/";
  levels_.push_back(std::move(level));
  if (levels_.size() > kOpenLevels) levels_[levels_.size() - 1 - kOpenLevels].fd.reset();
}

void TreeWriter::reopen_parent(const Fd& child, Level& parent) const {
  Fd fd = open_below(child.get(), "..");
  struct stat st {};
  check_sys(::fstat(fd.get(), &st), [] { return "reading a parent folder"; });
  // Somebody moved the tree while it was being written: going on could write anywhere.
  if (st.st_dev != parent.device || st.st_ino != parent.inode)
    throw Error(Kind::Io, "the folder " + quoted(shown("")) + " was moved while it was being written");
  parent.fd = std::make_shared<Fd>(std::move(fd));
}

void TreeWriter::leave() {
  BK_CHECK(!levels_.empty());
  const std::string where = shown("");
  Level last = std::move(levels_.back());
  levels_.pop_back();
  // Before the mode may lock a plain user out.
  if (!levels_.empty() && !levels_.back().fd) reopen_parent(*last.fd, levels_.back());
  set_metadata(last.fd->get(), last.entry, report_, where);
  path_.resize(last.path_bytes);
}

std::unique_ptr<RestoredFile> TreeWriter::begin_file(const Entry& entry) {
  check_name(entry, shown(""));
  const std::string where = shown(entry.name);
  Fd fd(::openat(here(), entry.name.c_str(), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!fd) throw sys_error(errno, "making " + quoted(where));
  std::shared_ptr<Fd> directory;
  if (levels_.empty()) {
    directory = std::make_shared<Fd>(check_sys(::fcntl(destination_fd_, F_DUPFD_CLOEXEC, 0),
                                               [&] { return "opening the folder of " + quoted(where); }));
  } else {
    directory = levels_.back().fd;
  }
  return std::unique_ptr<RestoredFile>(
      new RestoredFile(std::move(fd), std::move(directory), without_content(entry), where, report_));
}

void TreeWriter::make_special(const Entry& entry) {
  check_name(entry, shown(""));
  const std::string where = shown(entry.name);
  if (entry.type == EntryType::Symlink) {
    check_sys(::symlinkat(entry.target.c_str(), here(), entry.name.c_str()),
              [&] { return "making the symlink " + quoted(where); });
  } else {
    const mode_t type = special_type(entry.type);
    BK_CHECK(type != 0);
    if (::mknodat(here(), entry.name.c_str(), type | 0600, ::makedev(entry.rdev_major, entry.rdev_minor)) !=
        0) {
      if (errno != EPERM) throw sys_error(errno, "making " + quoted(where));
      report_.add("device not made", std::generic_category().message(EPERM), where);
      return;
    }
  }
  set_metadata_at(here(), entry, report_, where);
}

int TreeWriter::find_parent(const std::string& path, Fd& parent, std::string& name) const {
  // Component by component: no path limit, and no symlink on the way.
  std::size_t begin = 0;
  for (std::size_t slash = path.find('/'); slash != std::string::npos; slash = path.find('/', begin)) {
    const std::string part = path.substr(begin, slash - begin);
    Fd next(::openat(parent ? parent.get() : destination_fd_, part.c_str(),
                     O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!next) return errno;
    parent = std::move(next);
    begin = slash + 1;
  }
  name = path.substr(begin);
  return 0;
}

bool TreeWriter::link(const std::string& existing, const Entry& entry) {
  check_name(entry, shown(""));
  Fd parent;
  std::string name;
  int code = find_parent(existing, parent, name);
  if (code == 0) {
    if (::linkat(parent ? parent.get() : destination_fd_, name.c_str(), here(), entry.name.c_str(), 0) == 0)
      return true;
    code = errno;
  }
  if (code == EEXIST || code == ENOSPC || code == EDQUOT)
    throw sys_error(code, "linking " + quoted(shown(entry.name)));
  report_.add("hard link not made, copied instead", std::generic_category().message(code), shown(entry.name));
  return false;
}

void TreeWriter::remove(const std::string& existing) {
  Fd parent;
  std::string name;
  int code = find_parent(existing, parent, name);
  if (code == 0 && ::unlinkat(parent ? parent.get() : destination_fd_, name.c_str(), 0) != 0) code = errno;
  if (code != 0 && code != ENOENT) throw sys_error(code, "removing " + quoted(join_path(shown_, existing)));
}

void TreeWriter::sync() {
  check_sys(::syncfs(destination_fd_), [&] { return "syncing " + quoted(shown_); });
}

}  // namespace bk
