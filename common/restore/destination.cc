#include "common/restore/destination.h"

#include "common/error/error.h"
#include "common/io/crash.h"
#include "common/io/file.h"
#include "common/text/escape.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace bk {
namespace {

constexpr const char* kListName = "EXPORT.txt";
constexpr std::uint64_t kMaxListBytes = 1U << 30U;

// DEST as an open directory, made when it is absent.  Only the folder itself is made: a misspelt parent is an
// error, not a new tree.
Fd open_destination(const std::string& destination, bool force) {
  if (::mkdir(destination.c_str(), 0700) != 0 && errno != EEXIST)
    throw sys_error(errno, "making the folder " + quoted(destination));
  Fd fd(::open(destination.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd && errno == ENOTDIR) throw Error(Kind::Usage, quoted(destination) + " is not a folder");
  if (!fd) throw sys_error(errno, "opening " + quoted(destination));
  if (!force && !list_directory(destination).empty())
    throw Error(Kind::Usage,
                quoted(destination) + " is not empty; name a new folder, or use --force to add to it");
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

Destination::Destination(std::string path, Manner manner)
    : path_(std::move(path)),
      sync_(manner.sync),
      fd_(open_destination(path_, manner.force)),
      list_(earlier_list(path_)) {}

void Destination::finish() {
  if (sync_) check_sys(::syncfs(fd_.get()), [&] { return "syncing " + quoted(path_); });
  crash_point("bkdb.export_synced");
  // Last: an export with its list is complete.
  replace_durably(join_path(path_, kListName), write_export_list(list_), 0644);
  sync_directory(parent_of(clean_absolute(path_)));
  crash_point("bkdb.export_listed");
}

}  // namespace bk
