#include "common/storage/folder_storage.h"

#include "common/error/error.h"
#include "common/io/bulk.h"
#include "common/io/file.h"
#include "common/io/temporary.h"
#include "common/random/random.h"
#include "common/text/escape.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <string_view>

namespace bk {
namespace {

bool same_bytes(ObjectReader& a, ObjectReader& b) {
  const std::uint64_t size = a.size();
  if (size != b.size()) return false;
  std::string left(1U << 18U, '\0'), right(1U << 18U, '\0');
  for (std::uint64_t at = 0; at < size;) {
    const std::size_t got = a.read(at, left.data(), left.size());
    if (got == 0 || b.read(at, right.data(), right.size()) != got) return false;
    if (std::string_view(left).substr(0, got) != std::string_view(right).substr(0, got)) return false;
    at += got;
  }
  return true;
}

void copy_into(int to, ObjectReader& from) {
  std::string piece(1U << 20U, '\0');
  for (std::uint64_t at = 0;;) {
    const std::size_t got = from.read(at, piece.data(), piece.size());
    if (got == 0) return;
    write_all(to, std::string_view(piece).substr(0, got));
    at += got;
  }
}

bool same_device(const std::string& a, const std::string& b) {
  struct stat first {
  }, second{};
  check_sys(::stat(a.c_str(), &first), [&] { return "looking at " + quoted(a); });
  check_sys(::stat(b.c_str(), &second), [&] { return "looking at " + quoted(b); });
  return first.st_dev == second.st_dev;
}

// Of a folder, in the order of whole names: a subfolder sorts as its name and a slash.
std::vector<std::string> names_in_order(const std::string& path) {
  std::vector<std::string> names;
  if (!path_exists(path)) return names;
  std::unique_ptr<DIR, int (*)(DIR*)> stream(::opendir(path.c_str()), &::closedir);
  if (!stream) {
    if (errno == ENOTDIR || errno == ENOENT) return names;
    throw sys_error(errno, "listing " + quoted(path));
  }
  for (;;) {
    errno = 0;
    const dirent* entry = ::readdir(stream.get());
    if (entry == nullptr) {
      if (errno != 0) throw sys_error(errno, "listing " + quoted(path));
      break;
    }
    if (!is_object_name(entry->d_name)) continue;
    bool folder = entry->d_type == DT_DIR;
    if (entry->d_type == DT_UNKNOWN) folder = is_directory(path + "/" + entry->d_name);
    names.push_back(entry->d_name + std::string(folder ? "/" : ""));
  }
  std::sort(names.begin(), names.end());
  return names;
}

// Whether something below a folder, given with its slash, can begin with the prefix and sort behind `after`.
bool worth_entering(const std::string& folder, const std::string& prefix, const std::string& after) {
  const std::size_t common = std::min(folder.size(), prefix.size());
  return folder.compare(0, common, prefix, 0, common) == 0 && after.compare(0, folder.size(), folder) <= 0;
}

}  // namespace

std::uint64_t DescriptorReader::size() {
  struct stat info {};
  check_sys(::fstat(fd_, &info), [] { return "reading a file"; });
  return static_cast<std::uint64_t>(info.st_size);
}

std::size_t DescriptorReader::read(std::uint64_t offset, char* into, std::size_t bytes) {
  return pread_up_to(fd_, into, bytes, offset);
}

std::size_t DescriptorReader::read_in_passing(std::uint64_t offset, char* into, std::size_t bytes) {
  return pread_in_passing(fd_, into, bytes, offset);
}

void DescriptorReader::prefetch(std::uint64_t offset, std::uint64_t bytes) {
  (void)::posix_fadvise(fd_, static_cast<off_t>(offset), static_cast<off_t>(bytes), POSIX_FADV_WILLNEED);
}

std::unique_ptr<FileReader> open_reader(const std::string& path) {
  try {
    return std::make_unique<FileReader>(open_file(path, O_RDONLY | O_NOFOLLOW));
  } catch (const Error& error) {
    if (error.sys_errno() == ENOENT || error.sys_errno() == ENOTDIR) return nullptr;
    throw;
  }
}

std::string FolderStorage::path_of(const std::string& name) const {
  require_object_name(name);
  return root_ + "/" + name;
}

// The first use of a process clears away what killed ones left.
std::string FolderStorage::making() {
  std::string folder = root_ + "/.making";
  ensure_directory(folder);
  if (!swept_.exchange(true)) (void)remove_abandoned_in(folder);
  return folder;
}

bool FolderStorage::put(const std::string& name, std::string_view bytes) {
  const std::string path = path_of(name);
  const std::string folder = making();
  ensure_directory(parent_of(path));
  return create_durably_from(folder, path, bytes);
}

// A file on the same file system with these bytes: itself, or a copy in the making.
FolderStorage::Near FolderStorage::nearby(const std::string& file) {
  const std::string folder = making();
  const std::unique_ptr<FileReader> from = open_reader(file);
  if (!from) throw sys_error(ENOENT, "opening " + quoted(file));
  if (same_device(file, folder)) {
    sync_file(from->descriptor());
    return {file, Fd()};
  }
  for (;;) {
    std::string path = folder + "/" + std::string(kTemporaryPrefix) + hex_encode(SystemRandom().bytes(8));
    std::optional<Fd> copy = try_create_owned(path);
    if (!copy) continue;
    copy_into(copy->get(), *from);
    sync_file(copy->get());
    return {std::move(path), *std::move(copy)};
  }
}

bool FolderStorage::adopt(const std::string& name, const std::string& file) {
  const std::string path = path_of(name);
  ensure_directory(parent_of(path));
  if (const auto there = open(name)) {
    const std::unique_ptr<FileReader> mine = open_reader(file);
    if (mine && !same_bytes(*mine, *there)) return false;
    remove_durably(file);
    return true;
  }
  const Near near = nearby(file);
  if (!rename_noreplace_durably(near.path, path)) {
    if (near.path != file) remove_durably(near.path);
    return adopt(name, file);  // somebody was faster: look again
  }
  if (near.path != file) remove_durably(file);
  return true;
}

void FolderStorage::replace(const std::string& name, const std::string& file) {
  const std::string path = path_of(name);
  ensure_directory(parent_of(path));
  const Near near = nearby(file);
  rename_durably(near.path, path);
  if (near.path != file) remove_durably(file);
}

std::unique_ptr<ObjectReader> FolderStorage::open(const std::string& name) {
  std::unique_ptr<FileReader> reader = open_reader(path_of(name));
  if (!reader) return nullptr;
  struct stat info {};
  check_sys(::fstat(reader->descriptor(), &info), [&] { return "opening " + quoted(path_of(name)); });
  if (!S_ISREG(info.st_mode)) return nullptr;
  return reader;
}

std::vector<ListedObject> FolderStorage::list(const std::string& prefix, const std::string& after,
                                              std::size_t most) {
  struct Level {
    std::string folder;  // "" or ends in a slash
    std::vector<std::string> names;
    std::size_t at = 0;
  };
  const std::size_t slash = prefix.rfind('/');
  const std::string top = slash == std::string::npos ? "" : prefix.substr(0, slash + 1);
  if (!top.empty()) require_object_name(std::string_view(top).substr(0, top.size() - 1));
  std::vector<ListedObject> out;
  std::vector<Level> levels;
  levels.push_back({top, names_in_order(root_ + "/" + top), 0});
  while (!levels.empty() && out.size() < most) {
    Level& level = levels.back();
    if (level.at == level.names.size()) {
      levels.pop_back();
      continue;
    }
    const std::string name = level.folder + level.names[level.at++];
    if (name.back() == '/') {
      if (worth_entering(name, prefix, after))
        levels.push_back({name, names_in_order(root_ + "/" + name), 0});
      continue;
    }
    if (name <= after || !name.starts_with(prefix)) continue;
    struct stat info {};
    if (::lstat((root_ + "/" + name).c_str(), &info) != 0) {
      if (errno == ENOENT) continue;  // removed just now
      throw sys_error(errno, "listing " + quoted(root_ + "/" + name));
    }
    if (S_ISREG(info.st_mode)) out.push_back({name, static_cast<std::uint64_t>(info.st_size)});
  }
  return out;
}

void FolderStorage::remove(const std::string& name) { remove_durably(path_of(name)); }

}  // namespace bk
