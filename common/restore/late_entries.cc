// What a restore makes when the regular files around it are there.
#include "common/error/error.h"
#include "common/io/file.h"
#include "common/path/names.h"
#include "common/restore/beneath.h"
#include "common/restore/metadata.h"
#include "common/restore/tree_restorer.h"
#include "common/restore/window.h"
#include "common/text/escape.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

namespace bk {
namespace {

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

// Of a file that begins at `offset`: where data begins and ends; false when none follows.
bool next_data(int fd, off_t& begin, off_t& end) {
  begin = ::lseek(fd, end, SEEK_DATA);
  if (begin < 0) return false;
  end = ::lseek(fd, begin, SEEK_HOLE);
  return end > begin;
}

std::string link_words(int code, const std::string& existing) {
  return code == ENOENT ? quoted(existing) + " is not there" : system_words(code);
}

}  // namespace

// What an earlier restore left there is no more.
int TreeRestorer::make_over(const std::function<int()>& make, int directory, const std::string& name) const {
  const int result = make();
  if (result == 0 || errno != EEXIST || !shared_.goes_on) return result;
  if (::unlinkat(directory, name.c_str(), 0) != 0) return -1;
  return make();
}

void TreeRestorer::make_special(const PendingEntry& pending) {
  const Entry& entry = pending.entry;
  const int at = pending.directory->fd.get();
  const std::string where = join_path(shared_.destination, pending.directory->path + entry.name);
  if (entry.type == EntryType::Symlink) {
    const auto make = [&] { return ::symlinkat(entry.target.c_str(), at, entry.name.c_str()); };
    if (make_over(make, at, entry.name) != 0) {
      if (!ends_only_its_entry(errno)) throw sys_error(errno, "making the symlink " + quoted(where));
      return shared_.report.leave_out("symlink not made", system_words(errno), where);
    }
  } else {
    const mode_t type = special_type(entry.type);
    if (type == 0) throw Error(Kind::Protocol, quoted(where) + " is of an impossible type");
    const dev_t number = ::makedev(entry.rdev_major, entry.rdev_minor);
    const auto make = [&] { return ::mknodat(at, entry.name.c_str(), type | 0600, number); };
    if (make_over(make, at, entry.name) != 0) {
      if (!ends_only_its_entry(errno)) throw sys_error(errno, "making " + quoted(where));
      const bool device = type == S_IFCHR || type == S_IFBLK;
      return shared_.report.leave_out(device ? "device not made" : "special file not made",
                                      system_words(errno), where);
    }
  }
  set_metadata_at(at, entry, shared_.report, where);
}

void TreeRestorer::make_link(const PendingEntry& pending) {
  const std::string path = pending.directory->path + pending.entry.name;
  const std::string where = join_path(shared_.destination, path);
  if (!RelPath::from(pending.existing) || pending.existing.empty())
    throw Error(Kind::Corrupt, "the backup links to the impossible path " + quoted(pending.existing));
  const std::size_t slash = pending.existing.rfind('/');
  const std::string folder = slash == std::string::npos ? "" : pending.existing.substr(0, slash);
  const std::string name = pending.existing.substr(slash + 1);
  if (!link_folder_fd_ || link_folder_ != folder) {
    link_folder_fd_ = open_directory_beneath(destination_, folder);
    link_folder_ = folder;
  }
  const int at = pending.directory->fd.get();
  const auto make = [&] {
    return ::linkat(link_folder_fd_.get(), name.c_str(), at, pending.entry.name.c_str(), 0);
  };
  if (link_folder_fd_ && make_over(make, at, pending.entry.name) == 0) return;
  const int code = errno;
  // A device that may not be made has no names either.
  if (pending.entry.type != EntryType::File) return make_special(pending);
  // What the system refused is no damage of the backup.
  if (code == ENOENT && !shared_.report.has_missing())
    return damaged_(path, "it is a hard link to " + quoted(pending.existing) + ", which is missing");
  if (!link_folder_fd_ || code == ENOENT || code == ENAMETOOLONG || code == EILSEQ || code == EEXIST)
    return shared_.report.leave_out("hard link not made", link_words(code, pending.existing), where);
  if (code != EXDEV && !ends_only_its_entry(code)) throw sys_error(code, "linking " + quoted(where));
  shared_.report.add("hard link not made, copied instead", system_words(code), where);
  const Fd from(
      ::openat(link_folder_fd_.get(), name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (!from) return shared_.report.leave_out("neither linked nor copied", system_words(errno), where);
  copy(pending, from.get());
}

void TreeRestorer::copy(const PendingEntry& pending, int from) {
  RestoredFile file(pending.directory, pending.entry, shared_);
  std::string buffer(1U << 20U, '\0');
  off_t begin = 0, end = 0;
  while (next_data(from, begin, end))
    for (off_t at = begin; at < end;) {
      const std::size_t most = std::min<std::size_t>(buffer.size(), static_cast<std::size_t>(end - at));
      const std::size_t n = pread_up_to(from, buffer.data(), most, static_cast<std::uint64_t>(at));
      if (n == 0) break;
      file.expect({{}, n, true});
      const FileRun run{static_cast<std::uint64_t>(at), {buffer.data(), n}};
      file.put({&run, 1});
      at += static_cast<off_t>(n);
    }
  file.expect({});
  file.settle(0);
  if (!file.damage().empty()) damaged_(file.path(), file.damage());
}

}  // namespace bk
