#include "common/config/own_file.h"

#include "common/error/error.h"
#include "common/io/file.h"
#include "common/text/escape.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

namespace bk {
namespace {

struct stat look_at(int fd, const std::string& path) {
  struct stat info {};
  check_sys(::fstat(fd, &info), [&] { return "looking at " + quoted(path); });
  return info;
}

bool is_folders_owner(uid_t user, const std::string& path) {
  struct stat info {};
  return ::stat(parent_of(path).c_str(), &info) == 0 && info.st_uid == user;
}

void require_own(const struct stat& info, const std::string& path, FileOwner owner) {
  const uid_t self = ::geteuid();
  const bool folder_too = self == 0 || owner == FileOwner::SelfOrFolder;
  const bool own =
      info.st_uid == self || info.st_uid == 0 || (folder_too && is_folders_owner(info.st_uid, path));
  if (!own)
    throw Error(
        Kind::Config,
        fmt::format("{}: is not read, because it belongs to user {}, not to user {} who runs this, nor "
                    "to root; look through it, then chown it",
                    quoted(path), info.st_uid, self));
  if ((info.st_mode & 022U) != 0)
    throw Error(
        Kind::Config,
        fmt::format("{}: is not read, because others than its owner may write it (mode {:04o}) and it "
                    "says what runs here; look through it, then chmod go-w it",
                    quoted(path), info.st_mode & 07777U));
}

}  // namespace

std::optional<std::string> try_read_own_file(const std::string& path, std::uint64_t limit_bytes,
                                             FileOwner owner) {
  const Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) {
    if (errno == ENOENT) return std::nullopt;
    throw sys_error(errno, "opening " + quoted(path));
  }
  require_own(look_at(file.get(), path), path, owner);
  return read_rest(file.get(), limit_bytes);
}

}  // namespace bk
