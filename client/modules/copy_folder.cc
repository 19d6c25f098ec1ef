#include "client/modules/copy_folder.h"

#include "common/error/error.h"
#include "common/io/fd.h"
#include "common/io/file.h"
#include "common/text/escape.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>

namespace bk::client {
namespace {

constexpr std::size_t kBuffer = 1U << 20U;
constexpr int kTries = 3;  // of a file that changes while it is copied

Fd open_beneath(int base, const std::string& relative, std::uint64_t flags) {
  open_how how{};
  how.flags = flags | O_NOFOLLOW | O_CLOEXEC;
  if ((flags & O_PATH) == 0) how.flags |= O_NONBLOCK | O_NOCTTY;  // openat2 refuses them together
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  return Fd(static_cast<int>(
      ::syscall(SYS_openat2, base, relative.empty() ? "." : relative.c_str(), &how, sizeof how)));
}

bool earlier(const timespec& a, const timespec& b) {
  return a.tv_sec < b.tv_sec || (a.tv_sec == b.tv_sec && a.tv_nsec < b.tv_nsec);
}

bool same_version(const struct stat& a, const struct stat& b) {
  return a.st_size == b.st_size && a.st_mtim.tv_sec == b.st_mtim.tv_sec &&
         a.st_mtim.tv_nsec == b.st_mtim.tv_nsec;
}

class Copier {
 public:
  Copier(const std::string& folder, Spool& spool, const std::string& name, const CopyRules& rules)
      : root_(open_directory(folder)), spool_(spool), name_(name), rules_(rules) {
    target_ = join_path(spool.folder(), name);
    again_ = path_exists(target_);
    const std::string previous = spool.previous();
    if (!previous.empty() && is_directory(join_path(previous, name)))
      old_ = open_directory(join_path(previous, name));
  }

  CopiedFolder run() {
    std::vector<std::string> pending{""};
    // Folders get their times when nothing is put into them any more.
    std::vector<std::pair<std::string, struct stat>> made;
    while (!pending.empty()) {
      const std::string relative = std::move(pending.back());
      pending.pop_back();
      folder(relative, pending, made);
    }
    for (auto at = made.rbegin(); at != made.rend(); ++at) finish(target(at->first), at->second);
    return std::move(out_);
  }

 private:
  [[nodiscard]] std::string target(const std::string& relative) const {
    return relative.empty() ? target_ : join_path(target_, relative);
  }
  void skip(std::string_view reason, const std::string& relative) {
    out_.skipped.push_back(std::string(reason) + " " + percent_encode(relative.empty() ? "." : relative));
  }

  void folder(const std::string& relative, std::vector<std::string>& pending,
              std::vector<std::pair<std::string, struct stat>>& made) {
    const Fd dir = open_beneath(root_.get(), relative, O_RDONLY | O_DIRECTORY);
    struct stat info {};
    if (!dir || ::fstat(dir.get(), &info) < 0) {
      if (errno != ENOENT) skip("unreadable", relative);
      return;
    }
    make_way(target(relative), S_IFDIR);
    ensure_directory(target(relative));
    made.emplace_back(relative, info);
    std::vector<std::string> names;
    try {
      names = list_directory("/proc/self/fd/" + std::to_string(dir.get()));
    } catch (const Error&) {
      return skip("unreadable", relative);
    }
    for (const std::string& name : names) {
      const std::string below = relative.empty() ? name : join_path(relative, name);
      if (rules_.leave_out && rules_.leave_out(below)) continue;
      if (::fstatat(dir.get(), name.c_str(), &info, AT_SYMLINK_NOFOLLOW) < 0) {
        if (errno != ENOENT) skip("unreadable", below);
      } else if (S_ISDIR(info.st_mode)) {
        pending.push_back(below);
      } else if (S_ISLNK(info.st_mode)) {
        link(dir.get(), name, below, info);
      } else if (S_ISREG(info.st_mode)) {
        file(dir.get(), name, below);
      }
    }
  }

  void link(int dir, const std::string& name, const std::string& relative, const struct stat& info) {
    std::array<char, 4096> to{};
    const ssize_t n = ::readlinkat(dir, name.c_str(), to.data(), to.size() - 1);
    if (n < 0) return skip("unreadable", relative);
    const std::string at = target(relative);
    make_way(at, S_IFLNK);
    check_sys(::symlink(to.data(), at.c_str()), [&] { return "making " + quoted(at); });
    (void)::lchown(at.c_str(), info.st_uid, info.st_gid);
    set_times(at, info);
  }

  void file(int dir, const std::string& name, const std::string& relative) {
    const Fd from = open_beneath(dir, name, O_RDONLY);
    struct stat before {};
    if (!from || ::fstat(from.get(), &before) < 0 || !S_ISREG(before.st_mode)) {
      if (errno != ENOENT) skip("unreadable", relative);
      return;
    }
    ++out_.files;
    const std::string at = target(relative);
    if (again_ && has_copy(at, before)) return;
    make_way(at, S_IFREG);
    if (was_saved(relative, before)) {
      ++out_.kept;
      spool_.keep(join_path(name_, relative));
      return;
    }
    for (int attempt = 1;; ++attempt) {
      if (!copy(from.get(), at, relative)) return;
      struct stat after {};
      check_sys(::fstat(from.get(), &after), [&] { return "looking at " + quoted(relative); });
      if (same_version(before, after)) break;
      before = after;
      if (attempt < kTries) continue;
      skip("changed", relative);
      break;
    }
    finish(at, before);
  }

  // A copy made by this dump already.
  static bool has_copy(const std::string& at, const struct stat& info) {
    struct stat copy {};
    return ::lstat(at.c_str(), &copy) == 0 && S_ISREG(copy.st_mode) && same_version(copy, info) &&
           ((copy.st_mode ^ info.st_mode) & 07777U) == 0;
  }
  // What an earlier call left there goes, but a folder where a folder shall be.
  void make_way(const std::string& at, mode_t type) const {
    struct stat info {};
    if (!again_ || ::lstat(at.c_str(), &info) < 0) return;
    if (type != S_IFDIR || !S_ISDIR(info.st_mode)) remove_tree(at);
  }

  // The last dump has it: same length, time and mode, and nothing was done to it since that copy was made.
  [[nodiscard]] bool was_saved(const std::string& relative, const struct stat& info) const {
    if (!old_) return false;
    const Fd saved = open_beneath(old_.get(), relative, O_PATH);
    struct stat known {};
    if (!saved || ::fstat(saved.get(), &known) < 0 || !S_ISREG(known.st_mode)) return false;
    const bool owner = ::geteuid() != 0 || (known.st_uid == info.st_uid && known.st_gid == info.st_gid);
    return owner && same_version(known, info) && known.st_mode == info.st_mode &&
           earlier(info.st_ctim, known.st_ctim);
  }

  // False when the source cannot be read; it is listed then, and no half of it stays.
  bool copy(int from, const std::string& at, const std::string& relative) {
    const Fd to = open_file(at, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0600);
    buffer_.resize(kBuffer);
    for (std::uint64_t done = 0;;) {
      std::size_t got = 0;
      try {
        got = pread_up_to(from, buffer_.data(), buffer_.size(), done);
      } catch (const Error&) {
        (void)::unlink(at.c_str());
        skip("unreadable", relative);
        return false;
      }
      write_all(to.get(), std::string_view(buffer_).substr(0, got));
      done += got;
      out_.bytes += got;
      if (got < buffer_.size()) return true;
    }
  }

  static void set_times(const std::string& at, const struct stat& info) {
    const std::array<timespec, 2> times{info.st_mtim, info.st_mtim};
    check_sys(::utimensat(AT_FDCWD, at.c_str(), times.data(), AT_SYMLINK_NOFOLLOW),
              [&] { return "setting the times of " + quoted(at); });
  }
  static void finish(const std::string& at, const struct stat& info) {
    (void)::lchown(at.c_str(), info.st_uid, info.st_gid);  // as root
    // Who dumps must be able to replace it by the next dump.
    const mode_t own = S_ISDIR(info.st_mode) && ::geteuid() != 0 ? 0700 : 0;
    check_sys(::chmod(at.c_str(), (info.st_mode & 07777U) | own),
              [&] { return "setting the mode of " + quoted(at); });
    set_times(at, info);
  }

  Fd root_;
  Fd old_;
  Spool& spool_;
  std::string name_, target_;
  bool again_ = false;
  const CopyRules& rules_;
  CopiedFolder out_;
  std::string buffer_;
};

}  // namespace

CopiedFolder copy_folder(const std::string& folder, Spool& spool, const std::string& name,
                         const CopyRules& rules) {
  return Copier(folder, spool, name, rules).run();
}

}  // namespace bk::client
