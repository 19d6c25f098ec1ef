#include "common/restore/destination.h"

#include "common/error/error.h"
#include "common/io/crash.h"
#include "common/io/file.h"
#include "common/io/lock.h"
#include "common/text/escape.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>

namespace bk {
namespace {

constexpr const char* kListName = "EXPORT.txt";
constexpr std::uint64_t kMaxListBytes = 1U << 30U;

constexpr const char* kUnfinishedName = "UNFINISHED.txt";

// DEST as an open directory, made when it is absent, and ours alone until the end.
Fd open_destination(const std::string& destination, const Destination::Manner& manner) {
  Destination::check(destination, manner);
  if (::mkdir(destination.c_str(), 0700) != 0 && errno != EEXIST)
    throw sys_error(errno, "making the folder " + quoted(destination));
  Fd fd(::open(destination.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) throw sys_error(errno, "opening " + quoted(destination));
  if (!try_lock_descriptor(fd.get()))
    throw Error(Kind::Transient, "another restore is writing into " + quoted(destination));
  return fd;
}

// What an earlier export into the same folder listed; with --force only.
std::vector<ExportedEntry> earlier_list(const std::string& destination) {
  const std::string path = join_path(destination, kListName);
  struct stat st {};
  if (::lstat(path.c_str(), &st) != 0) return {};
  if (!S_ISREG(st.st_mode)) throw Error(Kind::Usage, quoted(path) + " is not a regular file; move it away");
  try {
    return parse_export_list(read_file(path, kMaxListBytes));
  } catch (const Error& error) {
    throw Error(Kind::Usage, quoted(path) + " is not an export's list (" + error.what() + "); move it away");
  }
}

}  // namespace

bool Destination::is_unfinished(const std::string& path) {
  struct stat st {};
  return ::lstat(join_path(path, kUnfinishedName).c_str(), &st) == 0 && S_ISREG(st.st_mode) &&
         st.st_uid == ::geteuid();
}

void Destination::check(const std::string& path, const Manner& manner) {
  if (path.empty() || path == "-") throw Error(Kind::Usage, "name the folder to restore into");
  struct stat st {};
  if (::stat(path.c_str(), &st) != 0) {
    if (errno != ENOENT && errno != ENOTDIR) throw sys_error(errno, "looking at " + quoted(path));
    const std::string parent = parent_of(path);
    if (!is_directory(parent)) throw Error(Kind::Usage, "there is no folder " + quoted(parent));
    if (::access(parent.c_str(), W_OK | X_OK) != 0)
      throw sys_error(errno, "nothing can be made in " + quoted(parent));
    return;
  }
  if (!S_ISDIR(st.st_mode)) throw Error(Kind::Usage, quoted(path) + " is not a folder");
  if (::access(path.c_str(), R_OK | W_OK | X_OK) != 0)
    throw sys_error(errno, "nothing can be made in " + quoted(path));
  if (!manner.force && !is_unfinished(path) && !list_directory(path).empty())
    throw Error(Kind::Usage, quoted(path) + " is not empty; name a new folder, or use --force to add to it");
}

Destination::Destination(std::string path, Manner manner)
    : path_(std::move(path)),
      sync_(manner.sync),
      fd_(open_destination(path_, manner)),
      list_(earlier_list(path_)) {
  if (!is_unfinished(path_)) return;
  try {
    begun_ = parse_export_list(read_file(join_path(path_, kUnfinishedName), kMaxListBytes));
  } catch (const Error& error) {
    throw Error(Kind::Usage, quoted(join_path(path_, kUnfinishedName)) + " cannot be read (" + error.what() +
                                 "); name a new folder");
  }
}

bool Destination::begin(const ExportedEntry& entry) {
  const std::size_t at = next_++;
  if (at < begun_.size()) {
    const ExportedEntry& cut = begun_[at];
    if (cut == entry) return true;
    throw Error(Kind::Usage, quoted(path_) + " holds an unfinished restore of " + quoted(cut.path) + " of " +
                                 to_text(cut.began).substr(0, 19) +
                                 "; ask for that one again, or name another folder");
  }
  // What was not begun here is not ours, and must not look so.
  struct stat st {};
  if (::fstatat(fd_.get(), entry.entry.c_str(), &st, AT_SYMLINK_NOFOLLOW) == 0)
    throw sys_error(EEXIST, "making " + quoted(join_path(path_, entry.entry)));
  begun_.push_back(entry);
  replace_durably(join_path(path_, kUnfinishedName), write_export_list(begun_), 0600);
  crash_point("bkdb.export_begun");
  return false;
}

std::string Destination::lack_of_room(std::uint64_t bytes, std::uint64_t files) const {
  struct statvfs space {};
  if (::fstatvfs(fd_.get(), &space) != 0) return {};
  const std::uint64_t free = space.f_bavail * space.f_frsize;
  const auto mebibytes = [](std::uint64_t number) { return static_cast<double>(number) / (1 << 20); };
  if (bytes > free)
    return fmt::format(
        "{}: {:.1f} MiB are free there, and the snapshot's files have {:.1f} MiB; only with large holes or "
        "many hard links it fits",
        quoted(path_), mebibytes(free), mebibytes(bytes));
  if (space.f_files > 0 && files > space.f_favail)
    return fmt::format(
        "{}: {} files can be made there, and the snapshot has {}; only with many hard links it fits",
        quoted(path_), space.f_favail, files);
  return {};
}

// One that was killed behind its list has it there already.
void Destination::add(const ExportedEntry& entry) {
  if (std::find(list_.begin(), list_.end(), entry) == list_.end()) list_.push_back(entry);
}

void Destination::finish() {
  if (sync_) check_sys(::syncfs(fd_.get()), [&] { return "syncing " + quoted(path_); });
  crash_point("bkdb.export_synced");
  // Last: an export with its list is complete.
  replace_durably(join_path(path_, kListName), write_export_list(list_), 0644);
  sync_directory(parent_of(clean_absolute(path_)));
  crash_point("bkdb.export_listed");
  if (is_unfinished(path_)) remove_durably(join_path(path_, kUnfinishedName));
}

Error with_hint(const Error& error) {
  const Kind kind = error.kind();
  if (kind != Kind::Io && kind != Kind::Transient && kind != Kind::Protocol) return error;
  return Error(kind,
               std::string(error.what()) + "; what came is kept, and the same command goes on from there");
}

}  // namespace bk
