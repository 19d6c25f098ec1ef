#include "common/io/merge_tree.h"

#include "common/error/error.h"
#include "common/io/file.h"
#include "common/text/escape.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <optional>
#include <vector>

namespace bk {
namespace {

constexpr std::size_t kBuffer = 1U << 20U;

std::optional<struct stat> look(const std::string& path) {
  struct stat info {};
  if (::lstat(path.c_str(), &info) == 0) return info;
  if (errno == ENOENT) return std::nullopt;
  throw sys_error(errno, "looking at " + quoted(path));
}

bool is_folder(const std::string& path) {
  const std::optional<struct stat> info = look(path);
  return info && S_ISDIR(info->st_mode);
}

std::string target_of(const std::string& path) {
  std::string out(4096, '\0');
  const ssize_t n = check_sys(::readlink(path.c_str(), out.data(), out.size()),
                              [&] { return "reading the symlink " + quoted(path); });
  out.resize(static_cast<std::size_t>(n));
  return out;
}

bool equal_bytes(const std::string& a, const std::string& b) {
  const Fd left = open_file(a, O_RDONLY | O_NOFOLLOW);
  const Fd right = open_file(b, O_RDONLY | O_NOFOLLOW);
  std::string one(kBuffer, '\0');
  std::string other(kBuffer, '\0');
  for (std::uint64_t at = 0;; at += kBuffer) {
    const std::size_t got = pread_up_to(left.get(), one.data(), kBuffer, at);
    if (pread_up_to(right.get(), other.data(), kBuffer, at) != got) return false;
    if (one.compare(0, got, other, 0, got) != 0) return false;
    if (got < kBuffer) return true;
  }
}

class Merger {
 public:
  Merger(const std::string& from, const std::string& into, const MergeRules& rules)
      : from_(from), into_(into), rules_(rules) {}

  void run() {
    pending_.emplace_back();
    while (!pending_.empty()) {
      const std::string relative = std::move(pending_.back());
      pending_.pop_back();
      folder(relative);
    }
    // Inner folders first: setting up an inner one changes nothing of an outer one's times.
    while (!finished_.empty()) {
      metadata(finished_.back().first, finished_.back().second);
      finished_.pop_back();
    }
  }

 private:
  void folder(const std::string& relative) {
    const std::string fresh = join_path(from_, relative);
    const std::string old = join_path(into_, relative);
    const bool has_fresh = is_folder(fresh);
    for (const std::string& name : list_directory(old)) {
      if (has_fresh && path_exists(join_path(fresh, name))) continue;
      absent(join_path(relative, name));
    }
    if (!has_fresh) return;
    // As it is before its entries are moved away.
    if (const std::optional<struct stat> now = look(fresh)) finished_.emplace_back(relative, *now);
    for (const std::string& name : list_directory(fresh)) entry(join_path(relative, name));
  }

  // What only the old tree has.
  void absent(const std::string& relative) {
    if (rules_.stays && rules_.stays(relative)) return;
    const std::string old = join_path(into_, relative);
    if (rules_.stays && is_folder(old) && holds_kept(old, relative)) {
      pending_.push_back(relative);
      return;
    }
    remove_tree(old);
  }

  // Something below a folder stays.
  bool holds_kept(const std::string& top, const std::string& relative) const {
    std::vector<std::pair<std::string, std::string>> left{{top, relative}};
    while (!left.empty()) {
      const auto [path, below] = std::move(left.back());
      left.pop_back();
      for (const std::string& name : list_directory(path)) {
        const std::string inner = join_path(below, name);
        if (rules_.stays(inner)) return true;
        const std::string full = join_path(path, name);
        if (is_folder(full)) left.emplace_back(full, inner);
      }
    }
    return false;
  }

  void entry(const std::string& relative) {
    const std::string fresh = join_path(from_, relative);
    const std::string old = join_path(into_, relative);
    const std::optional<struct stat> now = look(fresh);
    const std::optional<struct stat> before = look(old);
    if (!now) return;
    if (before && S_ISDIR(now->st_mode) && S_ISDIR(before->st_mode)) {
      pending_.push_back(relative);
      return;
    }
    if (before && same(fresh, *now, old, *before)) return;
    if (before && (S_ISDIR(before->st_mode) || S_ISDIR(now->st_mode))) remove_tree(old);
    check_sys(::rename(fresh.c_str(), old.c_str()), [&] { return "moving " + quoted(fresh); });
  }

  bool same(const std::string& fresh, const struct stat& now, const std::string& old,
            const struct stat& before) const {
    if (now.st_mode != before.st_mode || now.st_uid != before.st_uid || now.st_gid != before.st_gid)
      return false;
    if (rules_.times &&
        (now.st_mtim.tv_sec != before.st_mtim.tv_sec || now.st_mtim.tv_nsec != before.st_mtim.tv_nsec))
      return false;
    if (S_ISLNK(now.st_mode)) return target_of(fresh) == target_of(old);
    return S_ISREG(now.st_mode) && now.st_size == before.st_size && equal_bytes(fresh, old);
  }

  void metadata(const std::string& relative, const struct stat& now) const {
    const std::string old = join_path(into_, relative);
    const std::optional<struct stat> before = look(old);
    if (!before) return;
    if (now.st_uid != before->st_uid || now.st_gid != before->st_gid)
      check_sys(::lchown(old.c_str(), now.st_uid, now.st_gid), [&] { return "changing " + quoted(old); });
    if (now.st_mode != before->st_mode)
      check_sys(::chmod(old.c_str(), now.st_mode & 07777U), [&] { return "changing " + quoted(old); });
    // Setting them anew would change the ctime of a folder that nobody changed.
    if (!rules_.times ||
        (now.st_mtim.tv_sec == before->st_mtim.tv_sec && now.st_mtim.tv_nsec == before->st_mtim.tv_nsec))
      return;
    const timespec times[2] = {now.st_atim, now.st_mtim};
    check_sys(::utimensat(AT_FDCWD, old.c_str(), times, AT_SYMLINK_NOFOLLOW),
              [&] { return "changing " + quoted(old); });
  }

  std::string from_, into_;
  const MergeRules& rules_;
  std::vector<std::string> pending_;  // relative paths of folders to merge: depth is a loop
  // Folders whose entries were moved, outer ones first, and how they shall be.
  std::vector<std::pair<std::string, struct stat>> finished_;
};

void sync_all(const std::string& folder) {
  const Fd directory = open_directory(folder);
  check_sys(::syncfs(directory.get()), [&] { return "syncing " + quoted(folder); });
}

}  // namespace

void merge_tree(const std::string& from, const std::string& into, const MergeRules& rules) {
  sync_all(from);  // the bytes before the names
  Merger(from, into, rules).run();
  remove_tree(from);
  sync_all(into);
}

}  // namespace bk
