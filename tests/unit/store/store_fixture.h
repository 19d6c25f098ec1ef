// A store in a temporary folder, and small things to put into it.
#pragma once

#include "common/error/error.h"
#include "common/io/file.h"
#include "common/storage/memory_storage.h"
#include "server/store/journal.h"
#include "server/store/store.h"
#include "server/store/store_impl.h"
#include "server/store/tree.h"
#include "tests/support/noise.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace bk::store::test {

using bk::test::noise;

inline Entry file_entry(Writer& writer, const std::string& name, const std::string& content) {
  Entry entry;
  entry.name = name;
  entry.mode = 0644;
  entry.size = content.size();
  entry.mtime = entry.ctime = {1783000000, 5};
  entry.inode = 7;
  if (!content.empty())
    entry.content.push_back({Extent::Kind::Chunk, content.size(), writer.put(ObjectKind::Data, content), {}});
  return entry;
}

// Cut as the store cuts files.
inline Entry chunked_entry(Store& store, Writer& writer, const std::string& name,
                           const std::string& content) {
  Entry entry = file_entry(writer, name, "");
  StreamWriter stream(writer, store.chunker());
  stream.feed(content);
  entry.size = content.size();
  entry.content = stream.finish();
  return entry;
}

inline SnapshotRecord snapshot_of(Writer& writer, const std::map<std::string, std::string>& files,
                                  const std::string& client = "web1") {
  DirectoryWriter directory(writer);
  for (const auto& [name, content] : files) directory.add(file_entry(writer, name, content));
  SnapshotRecord record;
  record.client = client;
  record.module = "wiki";
  record.method = "rsync";
  record.name = "/srv";
  record.began = {1783000100, 0};
  record.ended = {1783000101, 0};
  record.root.type = EntryType::Directory;
  record.root.mode = 0755;
  record.root.node = directory.finish().node;
  record.files = files.size();
  return record;
}

inline SnapshotRecord commit(Store& store, const std::string& client,
                             const std::map<std::string, std::string>& files) {
  auto writer = store.writer(client, "wiki", "rsync", "/srv");
  return writer->commit(snapshot_of(*writer, files, client));
}

inline std::string content_of(Store& store, const Entry& entry) {
  std::string out;
  for_each_extent(store, entry, [&](const Extent& extent) {
    if (extent.kind == Extent::Kind::Chunk) out += store.read(ObjectKind::Data, extent.id);
    if (extent.kind == Extent::Kind::Hole) out.append(extent.bytes, '\0');
    if (extent.kind == Extent::Kind::Inline) out += extent.inline_data;
  });
  return out;
}

inline std::vector<std::string> problems(Store& store) {
  std::vector<std::string> out;
  store.check_structure([&](const std::string& problem) { out.push_back(problem); });
  return out;
}

// All regular files below a folder.
inline std::vector<std::string> files_in(const std::string& folder) {
  std::vector<std::string> out;
  if (!path_exists(folder)) return out;
  for (const std::string& name : list_directory(folder)) {
    const std::string path = folder + "/" + name;
    if (is_directory(path)) {
      const std::vector<std::string> below = files_in(path);
      out.insert(out.end(), below.begin(), below.end());
    } else {
      out.push_back(path);
    }
  }
  return out;
}

inline std::uint64_t bytes_in(const std::string& folder) {
  std::uint64_t sum = 0;
  for (const std::string& path : files_in(folder)) {
    struct stat info {};
    if (::stat(path.c_str(), &info) == 0) sum += static_cast<std::uint64_t>(info.st_size);
  }
  return sum;
}

// Every journal that nobody owns becomes a pack.
inline void seal_all(Store& store) {
  auto& impl = dynamic_cast<StoreImpl&>(store);
  for (const std::uint64_t number : list_packs(impl.layout().journals()))
    (void)Journal::seal(impl.layout(), {impl.id(), number},
                        [&](std::uint64_t sealed) { return impl.index().retire(sealed); });
}

// The same tests with the objects in memory.
#ifdef BK_STORE_IN_MEMORY
#define StoreTest StoreInMemoryTest
#endif

class StoreTest : public ::testing::Test {
 protected:
  void SetUp() override {
    // Thousands of syncs: in memory where there is such a folder.
    std::string pattern =
        std::string(is_directory("/dev/shm") ? "/dev/shm" : ::testing::TempDir()) + "/bk-store-XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    home_ = pattern;
  }
  void TearDown() override { remove_tree(home_); }
  [[nodiscard]] const std::string& home() const { return home_; }
#ifdef BK_STORE_IN_MEMORY
  [[nodiscard]] std::unique_ptr<Store> open() { return Store::open_on(storage_, home_ + "/store", true); }
#else
  [[nodiscard]] std::unique_ptr<Store> open() { return Store::open(home_ + "/store", true); }
#endif

 private:
  std::shared_ptr<Storage> storage_ = std::make_shared<MemoryStorage>();
  std::string home_;
};

}  // namespace bk::store::test
