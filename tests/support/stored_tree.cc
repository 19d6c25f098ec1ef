#include "tests/support/stored_tree.h"

#include "common/error/error.h"
#include "common/io/file.h"
#include "server/store/sealing_writer.h"
#include "server/store/tree.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>

namespace bk::test {
namespace {

std::vector<Xattr> xattrs_of(int directory, const std::string& name) {
  const std::string path = "/proc/self/fd/" + std::to_string(directory) + "/" + name;
  std::string names(65536, '\0');
  const ssize_t size = ::llistxattr(path.c_str(), names.data(), names.size());
  std::vector<Xattr> out;
  for (ssize_t at = 0; at < size;) {
    Xattr attribute{names.c_str() + at, std::string(65536, '\0')};
    at += static_cast<ssize_t>(attribute.name.size()) + 1;
    const ssize_t length =
        ::lgetxattr(path.c_str(), attribute.name.c_str(), attribute.value.data(), attribute.value.size());
    if (length < 0) continue;
    attribute.value.resize(static_cast<std::size_t>(length));
    out.push_back(std::move(attribute));
  }
  std::sort(out.begin(), out.end(), [](const Xattr& a, const Xattr& b) { return a.name < b.name; });
  return out;
}

class Storer {
 public:
  Storer(store::Store& store, store::Writer& writer, store::SnapshotRecord& record)
      : params_(store.chunker()), writer_(writer), record_(record) {}

  Entry put(int directory, const std::string& name) {
    struct stat st {};
    check_sys(::fstatat(directory, name.c_str(), &st, AT_SYMLINK_NOFOLLOW),
              [&] { return "reading " + name; });
    Entry e;
    e.name = name;
    e.type = entry_type(st.st_mode).value_or(EntryType::File);
    e.mode = st.st_mode & 07777U;
    e.uid = st.st_uid;
    e.gid = st.st_gid;
    e.mtime = {st.st_mtim.tv_sec, static_cast<std::uint32_t>(st.st_mtim.tv_nsec)};
    e.ctime = {st.st_ctim.tv_sec, static_cast<std::uint32_t>(st.st_ctim.tv_nsec)};
    e.device = st.st_dev;
    e.inode = st.st_ino;
    e.links = st.st_nlink;
    e.xattrs = xattrs_of(directory, name);
    if (e.type == EntryType::File) put_file(directory, st, e);
    if (e.type == EntryType::Directory) put_directory(directory, e);
    if (e.type == EntryType::Symlink) put_symlink(directory, st, e);
    if (e.type == EntryType::CharDevice || e.type == EntryType::BlockDevice) {
      e.rdev_major = major(st.st_rdev);
      e.rdev_minor = minor(st.st_rdev);
    }
    record_.others += e.type != EntryType::File && e.type != EntryType::Directory ? 1 : 0;
    return e;
  }

 private:
  void put_symlink(int directory, const struct stat& st, Entry& e) {
    e.target.resize(static_cast<std::size_t>(st.st_size) + 1);
    const ssize_t n = ::readlinkat(directory, e.name.c_str(), e.target.data(), e.target.size());
    e.target.resize(static_cast<std::size_t>(n));
    e.size = e.target.size();
  }

  void put_data(int fd, std::uint64_t from, std::uint64_t to, Entry& e) {
    store::StreamWriter stream(writer_, params_);
    std::string buffer(1U << 20U, '\0');
    while (from < to) {
      const std::size_t n =
          pread_up_to(fd, buffer.data(), std::min<std::size_t>(buffer.size(), to - from), from);
      if (n == 0) throw Error(Kind::Io, "short file");
      stream.feed({buffer.data(), n});
      from += n;
    }
    for (Extent& extent : stream.finish()) e.content.push_back(std::move(extent));
  }

  void put_file(int directory, const struct stat& st, Entry& e) {
    const Fd fd(::openat(directory, e.name.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
    e.size = static_cast<std::uint64_t>(st.st_size);
    ++record_.files;
    record_.bytes += e.size;
    for (off_t at = 0; at < st.st_size;) {
      off_t data = ::lseek(fd.get(), at, SEEK_DATA);
      if (data < 0) data = st.st_size;
      if (data > at) e.content.push_back({Extent::Kind::Hole, static_cast<std::uint64_t>(data - at), {}, {}});
      if (data == st.st_size) break;
      at = ::lseek(fd.get(), data, SEEK_HOLE);
      put_data(fd.get(), static_cast<std::uint64_t>(data), static_cast<std::uint64_t>(at), e);
    }
  }

  void put_directory(int parent, Entry& e) {
    const Fd fd(::openat(parent, e.name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    ++record_.directories;
    std::vector<std::string> names;
    {
      DIR* stream = ::fdopendir(::dup(fd.get()));
      while (const dirent* one = ::readdir(stream))
        if (std::string_view(one->d_name) != "." && std::string_view(one->d_name) != "..")
          names.emplace_back(one->d_name);
      ::closedir(stream);
    }
    std::sort(names.begin(), names.end());
    std::vector<Entry> entries;
    for (const std::string& name : names) entries.push_back(put(fd.get(), name));
    store::DirectoryWriter out(writer_);
    for (const Entry& entry : entries) out.add(entry);
    const auto done = out.finish();
    e.node = done.node;
    e.has_subdirectories = done.has_subdirectories;
    e.size = 0;
  }

  ChunkerParams params_;
  store::Writer& writer_;
  store::SnapshotRecord& record_;
};

}  // namespace

store::SnapshotRecord store_tree(store::Store& store, const std::string& path, StoreTask task) {
  auto writer = store.writer(task.client, task.module, task.method, task.name);
  if (!task.seal_file.empty())
    writer = std::make_unique<store::SealingWriter>(std::move(writer), load_seal_key(task.seal_file),
                                                    store.scratch());
  store::SnapshotRecord record;
  record.client = task.client;
  record.module = task.module;
  record.method = task.method;
  record.name = task.name;
  record.by = task.client;
  record.began = task.began == Timestamp{} ? SystemClock().now() : task.began;
  record.ended = record.began;
  record.requests = {std::string(32, 'a')};
  const Fd parent = open_directory(parent_of(path));
  record.root = Storer(store, *writer, record).put(parent.get(), base_name(path));
  record.root.name.clear();
  return writer->commit(record);
}

}  // namespace bk::test
