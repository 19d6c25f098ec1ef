#include "client/modules/archive_folder.h"

#include "common/archive/pax_writer.h"
#include "common/error/error.h"
#include "common/io/crash.h"
#include "common/io/file.h"
#include "common/text/escape.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <map>

namespace bk::client {
namespace {

constexpr std::size_t kBuffer = 1U << 20U;
// Files up to this size are read again when they change under our hands; larger ones are flagged.
constexpr std::uint64_t kRereadBytes = 8U << 20U;

Fd open_beneath(int base, const std::string& relative, std::uint64_t flags) {
  open_how how{};
  how.flags = flags | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  return Fd(static_cast<int>(
      ::syscall(SYS_openat2, base, relative.empty() ? "." : relative.c_str(), &how, sizeof how)));
}

Entry entry_of(const struct stat& s) {
  Entry out;
  out.type = entry_type(s.st_mode).value_or(EntryType::File);
  out.mode = s.st_mode & 07777U;
  out.uid = s.st_uid;
  out.gid = s.st_gid;
  out.size = S_ISREG(s.st_mode) ? static_cast<std::uint64_t>(s.st_size) : 0;
  out.mtime = {s.st_mtim.tv_sec, static_cast<std::uint32_t>(s.st_mtim.tv_nsec)};
  out.ctime = {s.st_ctim.tv_sec, static_cast<std::uint32_t>(s.st_ctim.tv_nsec)};
  out.device = s.st_dev;
  out.inode = s.st_ino;
  out.links = s.st_nlink;
  out.rdev_major = major(s.st_rdev);
  out.rdev_minor = minor(s.st_rdev);
  return out;
}

// False when an attribute could not be read; the others are there.
bool read_xattrs(int fd, std::vector<Xattr>& out) {
  std::string names(65536, '\0');
  const ssize_t length = ::flistxattr(fd, names.data(), names.size());
  if (length < 0) return errno == ENOTSUP;
  bool whole = true;
  for (ssize_t at = 0; at < length;) {
    const std::string name = names.c_str() + at;
    at += static_cast<ssize_t>(name.size()) + 1;
    std::string value(65536, '\0');
    const ssize_t n = ::fgetxattr(fd, name.c_str(), value.data(), value.size());
    if (n < 0) {
      whole = whole && errno == ENODATA;  // removed meanwhile
      continue;
    }
    value.resize(static_cast<std::size_t>(n));
    out.push_back({name, value});
  }
  std::sort(out.begin(), out.end(), [](const Xattr& a, const Xattr& b) { return a.name < b.name; });
  return whole;
}

// Where a sparse file has data and where holes.
std::vector<Extent> extents_of(int fd, const struct stat& s) {
  std::vector<Extent> out;
  if (static_cast<std::uint64_t>(s.st_blocks) * 512 >= static_cast<std::uint64_t>(s.st_size)) return out;
  for (off_t at = 0; at < s.st_size;) {
    off_t data = ::lseek(fd, at, SEEK_DATA);
    if (data < 0) data = s.st_size;
    data = std::min(data, s.st_size);
    if (data > at) out.push_back({Extent::Kind::Hole, static_cast<std::uint64_t>(data - at), {}, {}});
    if (data == s.st_size) break;
    off_t hole = ::lseek(fd, data, SEEK_HOLE);
    if (hole < 0 || hole > s.st_size) hole = s.st_size;
    out.push_back({Extent::Kind::Chunk, static_cast<std::uint64_t>(hole - data), {}, {}});
    at = hole;
  }
  return out;
}

bool same_version(const struct stat& a, const struct stat& b) {
  return a.st_size == b.st_size && a.st_mtim.tv_sec == b.st_mtim.tv_sec &&
         a.st_mtim.tv_nsec == b.st_mtim.tv_nsec && a.st_ctim.tv_sec == b.st_ctim.tv_sec &&
         a.st_ctim.tv_nsec == b.st_ctim.tv_nsec;
}

class Archiver {
 public:
  Archiver(const std::string& folder, const PaxWriter::Sink& sink)
      : top_(base_name(folder)), root_(open_directory(folder)), writer_(sink) {
    if (folder == "/") top_ = ".";
  }

  void run(MadeArchive& out) {
    out_ = &out;
    pending_.emplace_back();
    while (!pending_.empty()) {
      const std::string relative = std::move(pending_.back());
      pending_.pop_back();
      folder(relative);
    }
    writer_.close();
  }

 private:
  std::string shown(const std::string& relative) const {
    return relative.empty() ? top_ : join_path(top_, relative);
  }
  void skip(std::string_view reason, const std::string& relative) {
    out_->skipped.push_back(std::string(reason) + " " + percent_encode(relative.empty() ? "." : relative));
  }
  // Only "gone" is harmless.
  void unreadable(const std::string& relative) {
    if (errno != ENOENT) skip("unreadable", relative);
  }
  void begin(const std::string& relative, const Entry& entry, const std::string& link = {}) {
    writer_.begin(shown(relative), entry, link);
    ++out_->entries;
  }

  void folder(const std::string& relative) {
    const Fd dir = open_beneath(root_.get(), relative, O_RDONLY | O_DIRECTORY);
    struct stat info {};
    if (!dir || ::fstat(dir.get(), &info) < 0) return unreadable(relative);
    Entry entry = entry_of(info);
    if (!read_xattrs(dir.get(), entry.xattrs)) skip("xattr", relative);
    begin(relative, entry);
    std::vector<std::string> names;
    try {
      names = list_directory("/proc/self/fd/" + std::to_string(dir.get()));
    } catch (const Error&) {
      return skip("unreadable", relative);
    }
    std::vector<std::string> folders;
    for (const std::string& name : names) {
      const std::string below = join_path(relative, name);
      if (::fstatat(dir.get(), name.c_str(), &info, AT_SYMLINK_NOFOLLOW) < 0) {
        unreadable(below);
      } else if (S_ISDIR(info.st_mode)) {
        folders.push_back(below);
      } else {
        leaf(dir.get(), name, below, info);
      }
    }
    pending_.insert(pending_.end(), folders.rbegin(), folders.rend());
  }

  void leaf(int dir, const std::string& name, const std::string& relative, const struct stat& info) {
    if (S_ISSOCK(info.st_mode)) return;  // belongs to a running process; an archive cannot hold it
    if (info.st_nlink > 1) {
      const auto [at, fresh] = links_.emplace(std::pair(info.st_dev, info.st_ino), relative);
      if (!fresh) return begin(relative, entry_of(info), shown(at->second));
    }
    if (S_ISREG(info.st_mode)) return file(dir, name, relative);
    Entry entry = entry_of(info);
    if (S_ISLNK(info.st_mode)) {
      entry.target.resize(4096);
      const ssize_t n = ::readlinkat(dir, name.c_str(), entry.target.data(), entry.target.size());
      if (n < 0) return unreadable(relative);
      entry.target.resize(static_cast<std::size_t>(n));
    }
    begin(relative, entry);
  }

  void file(int dir, const std::string& name, const std::string& relative) {
    struct stat before {};
    const Fd fd = open_beneath(dir, name, O_RDONLY);
    if (!fd || ::fstat(fd.get(), &before) < 0) return forget(relative);
    // Something else may have been put under the name since we listed it.
    if (!S_ISREG(before.st_mode)) {
      errno = EINVAL;
      return forget(relative);
    }
    std::string small;
    try {
      for (int attempt = 0; static_cast<std::uint64_t>(before.st_size) <= kRereadBytes && attempt < 3;
           ++attempt) {
        small.resize(static_cast<std::size_t>(before.st_size));
        const bool whole = pread_up_to(fd.get(), small.data(), small.size(), 0) == small.size();
        struct stat after {};
        check_sys(::fstat(fd.get(), &after), [&] { return "reading " + quoted(relative); });
        if (whole && same_version(before, after)) return content(fd.get(), relative, before, &small);
        before = after;
      }
      content(fd.get(), relative, before, nullptr);
    } catch (const Error& error) {
      if (started_) throw;  // the entry's header is written: there is no way back
      errno = error.sys_errno();
      forget(relative);
    }
  }

  // An entry that is not in the archive cannot be what a later hard link names.
  void forget(const std::string& relative) {
    unreadable(relative);
    std::erase_if(links_, [&](const auto& link) { return link.second == relative; });
  }

  void content(int fd, const std::string& relative, const struct stat& info, const std::string* ready) {
    Entry entry = entry_of(info);
    if (!read_xattrs(fd, entry.xattrs)) skip("xattr", relative);
    entry.content = extents_of(fd, info);
    if (ready == nullptr) probe(fd, entry.size);
    started_ = true;
    begin(relative, entry);
    if (ready != nullptr) {
      writer_.write(*ready);
    } else if (!stream(fd, entry.size)) {
      skip("changed", relative);
    } else {
      struct stat after {};
      if (::fstat(fd, &after) < 0 || !same_version(info, after)) skip("changed", relative);
    }
    started_ = false;
  }

  // A file that cannot be read at all is found out before its header is written.
  static void probe(int fd, std::uint64_t size) {
    char byte = 0;
    if (size != 0) (void)pread_up_to(fd, &byte, 1, 0);
  }

  // False when the file got shorter, or a part of it could not be read: zeros fill the entry.
  bool stream(int fd, std::uint64_t size) {
    std::string buffer(kBuffer, '\0');
    bool whole = true;
    for (std::uint64_t at = 0; at < size;) {
      const std::size_t want = static_cast<std::size_t>(std::min<std::uint64_t>(kBuffer, size - at));
      std::size_t got = 0;
      try {
        got = whole ? pread_up_to(fd, buffer.data(), want, at) : 0;
      } catch (const Error&) {
        got = 0;
      }
      if (got < want) {
        whole = false;
        std::fill(buffer.begin() + static_cast<std::ptrdiff_t>(got), buffer.end(), '\0');
      }
      writer_.write(std::string_view(buffer).substr(0, want));
      at += want;
    }
    return whole;
  }

  std::string top_;
  Fd root_;
  PaxWriter writer_;
  MadeArchive* out_ = nullptr;
  bool started_ = false;
  std::vector<std::string> pending_;
  std::map<std::pair<dev_t, ino_t>, std::string> links_;
};

}  // namespace

MadeArchive archive_folder(const std::string& folder, const std::string& spool) {
  ensure_directory(spool);
  const std::string partial = join_path(spool, ".partial-" + std::to_string(::getpid()));
  MadeArchive out;
  Fd file = open_file(partial, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0600);
  try {
    Sha256 hash;
    Archiver archiver(folder, [&](std::string_view bytes) {
      hash.update(bytes);
      out.bytes += bytes.size();
      write_all(file.get(), bytes);
    });
    archiver.run(out);
    sync_file(file.get());
    file.close();
    crash_point("prepare.archive");
    out.sha256 = hash.finish();
    out.path = join_path(spool, out.sha256.hex());
    rename_durably(partial, out.path);
    crash_point("prepare.spooled");
  } catch (Error& error) {
    (void)::unlink(partial.c_str());
    error.add_context("making the archive in " + quoted(spool));
    throw;
  }
  return out;
}

}  // namespace bk::client
