#include "common/chunk/file_cutter.h"
#include "common/error/error.h"
#include "common/io/file.h"
#include "common/text/escape.h"
#include "server/store/extents.h"
#include "server/store/tree.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

namespace bk::store {

struct StreamWriter::Impl {
  Impl(Writer& w, const ChunkerParams& params) : writer(w), cutter(params), folder(w) {}
  Writer& writer;
  FileCutter cutter;
  ExtentFolder folder;
  std::string buffer;
  std::size_t begin = 0;  // of what was not cut yet
  std::uint64_t at = 0;   // that, in the file

  void cut(bool at_end) {
    if (at == 0) cutter.begin(buffer);
    for (;;) {
      const std::string_view rest = std::string_view(buffer).substr(begin);
      if (rest.empty()) break;
      const std::size_t length = cutter.next_cut(rest, at, at_end);
      if (length == 0) break;
      Extent extent;
      extent.bytes = length;
      extent.id = writer.put(ObjectKind::Data, rest.substr(0, length));
      folder.add(std::move(extent));
      begin += length;
      at += length;
    }
    buffer.erase(0, begin);
    begin = 0;
  }
};

StreamWriter::StreamWriter(Writer& writer, const ChunkerParams& params)
    : impl_(std::make_unique<Impl>(writer, params)) {}
StreamWriter::~StreamWriter() = default;

void StreamWriter::feed(std::string_view bytes) {
  const std::size_t enough = std::size_t{4} * impl_->cutter.params().max_bytes;
  while (!bytes.empty()) {
    const std::size_t part = std::min(bytes.size(), enough);
    impl_->buffer += bytes.substr(0, part);
    bytes.remove_prefix(part);
    if (impl_->buffer.size() >= enough) impl_->cut(false);
  }
}

std::vector<Extent> StreamWriter::finish() {
  impl_->cut(true);
  return impl_->folder.finish();
}

namespace {

// One directory on the way down; finished when all its names are done.
struct Frame {
  Entry self;
  Fd fd;
  std::string path;  // below the folder, "" for the folder itself
  std::vector<std::string> names;
  std::size_t at = 0;
  DirectoryWriter writer;
};

std::vector<std::string> names_in(int fd, const std::string& shown) {
  const int copy = check_sys(::dup(fd), [&] { return "listing " + quoted(shown); });
  std::unique_ptr<DIR, int (*)(DIR*)> stream(::fdopendir(copy), &::closedir);
  if (!stream) throw sys_error(errno, "listing " + quoted(shown));
  std::vector<std::string> names;
  for (;;) {
    errno = 0;
    const dirent* entry = ::readdir(stream.get());
    if (entry == nullptr) {
      if (errno != 0) throw sys_error(errno, "listing " + quoted(shown));
      break;
    }
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

// Inode and device stay 0 and ctime equals mtime: they are the server's own and would only make equal trees
// differ.
Entry entry_of(const std::string& name, const struct stat& info) {
  Entry entry;
  entry.name = name;
  entry.mode = info.st_mode & 07777U;
  entry.uid = info.st_uid;
  entry.gid = info.st_gid;
  entry.mtime = {info.st_mtim.tv_sec, static_cast<std::uint32_t>(info.st_mtim.tv_nsec)};
  entry.ctime = entry.mtime;
  return entry;
}

void store_file(Writer& writer, const ChunkerParams& params, int parent, const std::string& shown,
                Entry& entry) {
  const Fd fd(::openat(parent, entry.name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (!fd) throw sys_error(errno, "opening " + quoted(shown));
  StreamWriter stream(writer, params);
  std::string buffer(1U << 18U, '\0');
  for (;;) {
    const std::size_t got = read_up_to(fd.get(), buffer.data(), buffer.size());
    if (got == 0) break;
    entry.size += got;
    stream.feed(std::string_view(buffer).substr(0, got));
  }
  entry.content = stream.finish();
}

void store_link(int parent, const std::string& shown, Entry& entry) {
  std::string target(4097, '\0');
  const ssize_t got = ::readlinkat(parent, entry.name.c_str(), target.data(), target.size());
  if (got < 0) throw sys_error(errno, "reading the link " + quoted(shown));
  target.resize(static_cast<std::size_t>(got));
  entry.target = std::move(target);
  entry.size = entry.target.size();
}

Frame open_frame(Writer& writer, int parent, const char* name, const std::string& path, Entry self,
                 const std::string& shown) {
  Fd fd(::openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!fd) throw sys_error(errno, "opening " + quoted(shown));
  std::vector<std::string> names = names_in(fd.get(), shown);
  self.type = EntryType::Directory;
  return {std::move(self), std::move(fd), path, std::move(names), 0, DirectoryWriter(writer)};
}

}  // namespace

Entry store_local_tree(Writer& writer, const ChunkerParams& params, const std::string& directory,
                       const std::function<bool(std::string_view)>& accept) {
  struct stat info {};
  check_sys(::stat(directory.c_str(), &info), [&] { return "looking at " + quoted(directory); });
  std::vector<Frame> stack;
  stack.push_back(open_frame(writer, AT_FDCWD, directory.c_str(), "", entry_of("", info), directory));
  for (;;) {
    Frame& top = stack.back();
    if (top.at == top.names.size()) {
      const DirectoryWriter::Done done = top.writer.finish();
      Entry self = std::move(top.self);
      self.node = done.node;
      self.has_subdirectories = done.has_subdirectories;
      stack.pop_back();
      if (stack.empty()) return self;
      stack.back().writer.add(self);
      continue;
    }
    const std::string& name = top.names[top.at++];
    const std::string path = join_path(top.path, name);
    if (accept && !accept(path)) continue;
    const std::string shown = join_path(directory, path);
    check_sys(::fstatat(top.fd.get(), name.c_str(), &info, AT_SYMLINK_NOFOLLOW),
              [&] { return "looking at " + quoted(shown); });
    Entry entry = entry_of(name, info);
    if (S_ISDIR(info.st_mode)) {
      Frame below = open_frame(writer, top.fd.get(), name.c_str(), path, std::move(entry), shown);
      stack.push_back(std::move(below));  // `top` and `name` are gone from here on
      continue;
    }
    if (S_ISREG(info.st_mode)) {
      entry.type = EntryType::File;
      store_file(writer, params, top.fd.get(), shown, entry);
    } else if (S_ISLNK(info.st_mode)) {
      entry.type = EntryType::Symlink;
      store_link(top.fd.get(), shown, entry);
    } else {
      continue;
    }
    top.writer.add(entry);
  }
}

}  // namespace bk::store
