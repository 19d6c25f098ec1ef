#include "client/modules/repositories.h"

#include "common/error/error.h"
#include "common/io/fd.h"
#include "common/io/file.h"
#include "common/text/escape.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <optional>

namespace bk::client {
namespace {

Fd open_beneath(int base, const std::string& relative) {
  open_how how{};
  how.flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  return Fd(static_cast<int>(
      ::syscall(SYS_openat2, base, relative.empty() ? "." : relative.c_str(), &how, sizeof how)));
}

bool has(int dir, const char* name, mode_t type) {
  struct stat info {};
  if (::fstatat(dir, name, &info, AT_SYMLINK_NOFOLLOW) < 0) return false;
  // HEAD of very old repositories is a symlink.
  return (info.st_mode & S_IFMT) == type || (type == S_IFREG && S_ISLNK(info.st_mode));
}

bool is_git_directory(int dir) {
  return has(dir, "HEAD", S_IFREG) && has(dir, "objects", S_IFDIR) && has(dir, "refs", S_IFDIR);
}

struct Listed {
  std::vector<std::string> folders;
  bool readable = true;
};

// Sub-folders, sorted.  d_type is only a hint: file systems may leave it unknown.
Listed list_folders(const Fd& dir) {
  Listed out;
  const int copy = ::fcntl(dir.get(), F_DUPFD_CLOEXEC, 0);
  if (copy < 0) throw sys_error(errno, "listing a folder");
  const std::unique_ptr<DIR, int (*)(DIR*)> stream(::fdopendir(copy), &::closedir);
  if (!stream) throw sys_error(errno, "listing a folder");
  for (;;) {
    errno = 0;
    const dirent* entry = ::readdir(stream.get());
    if (entry == nullptr) {
      out.readable = errno == 0;
      break;
    }
    const std::string name = entry->d_name;
    if (name == "." || name == "..") continue;
    if (entry->d_type == DT_DIR || (entry->d_type == DT_UNKNOWN && has(dir.get(), name.c_str(), S_IFDIR)))
      out.folders.push_back(name);
  }
  std::sort(out.folders.begin(), out.folders.end(), std::greater<>());
  return out;
}

class Search {
 public:
  Search(std::string base, Fd fd) : base_(std::move(base)), fd_(std::move(fd)) {}

  FoundRepositories run() {
    pending_.emplace_back();
    while (!pending_.empty()) {
      const std::string relative = std::move(pending_.back());
      pending_.pop_back();
      visit(relative);
    }
    std::sort(found_.paths.begin(), found_.paths.end());
    return std::move(found_);
  }

 private:
  std::string full(const std::string& relative) const {
    return relative.empty() ? base_ : join_path(base_, relative);
  }

  void visit(const std::string& relative) {
    const Fd dir = open_beneath(fd_.get(), relative);
    if (!dir) {
      if (errno != ENOENT) note(relative, errno);
      return;
    }
    if (is_git_directory(dir.get())) {
      const std::string name = base_name(full(relative));
      found_.paths.push_back(name == ".git" ? parent_of(full(relative)) : full(relative));
      // Submodules keep their repositories here; nothing else inside a repository is one.
      if (has(dir.get(), "modules", S_IFDIR)) pending_.push_back(join_path(relative, "modules"));
      return;
    }
    const Listed listed = list_folders(dir);
    if (!listed.readable) note(relative, EIO);
    for (const std::string& name : listed.folders) pending_.push_back(join_path(relative, name));
  }

  void note(const std::string& relative, int code) {
    found_.unreadable.push_back(sys_error(code, quoted(full(relative))).what());
  }

  std::string base_;
  Fd fd_;
  std::vector<std::string> pending_;  // relative paths, an explicit stack: depth is a loop
  FoundRepositories found_;
};

}  // namespace

std::string git_directory(const std::string& path) {
  const Fd dir = open_directory(path);
  if (is_git_directory(dir.get())) return path;
  const Fd below = open_beneath(dir.get(), ".git");
  if (below && is_git_directory(below.get())) return join_path(path, ".git");
  return {};
}

bool is_lfs_folder(const std::string& path) {
  return base_name(path) == "objects" && base_name(parent_of(path)) == "lfs" && is_directory(path) &&
         git_directory(parent_of(parent_of(path))) == parent_of(parent_of(path));
}

bool is_linked_work_tree(const std::string& path) {
  const std::string all = parent_of(path);
  if (base_name(all) != "worktrees" || !is_directory(path)) return false;
  const Fd dir = open_directory(path);
  // "../.." is the only way git writes it; another one would lead out of what is consented to.
  return has(dir.get(), "HEAD", S_IFREG) && try_read_file(path + "/commondir", 4096) == "../..\n" &&
         git_directory(parent_of(all)) == parent_of(all);
}

std::vector<std::string> companions(const std::string& repository) {
  std::vector<std::string> out;
  const std::string objects = join_path(repository, "lfs/objects");
  if (is_lfs_folder(objects) && !list_directory(objects).empty()) out.push_back(objects);
  const std::string all = join_path(repository, "worktrees");
  if (!is_directory(all)) return out;
  for (const std::string& name : list_directory(all)) {
    const std::string path = join_path(all, name);
    if (!is_linked_work_tree(path)) continue;
    const std::optional<std::string> head = try_read_file(join_path(path, "HEAD"), 4096);
    if (head && !head->starts_with("ref:")) out.push_back(path);
  }
  std::sort(out.begin(), out.end());
  return out;
}

FoundRepositories find_repositories(const std::string& base) {
  if (!path_exists(base)) throw Error(Kind::NotFound, quoted(base) + " does not exist");
  return Search(base, open_directory(base)).run();
}

}  // namespace bk::client
