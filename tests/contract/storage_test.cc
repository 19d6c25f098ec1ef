#include "common/storage/folder_storage.h"
#include "common/storage/memory_storage.h"
#include "tests/contract/storage_contract.h"

#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

namespace bk::test {
namespace {

std::shared_ptr<Storage> folder(const std::string& path) { return std::make_shared<FolderStorage>(path); }

// One set of objects for each test's folder, for as long as somebody holds it.
std::shared_ptr<Storage> memory(const std::string& path) {
  static std::mutex mutex;
  static std::map<std::string, std::weak_ptr<Storage>> known;
  const std::lock_guard<std::mutex> guard(mutex);
  std::shared_ptr<Storage> storage = known[path].lock();
  if (!storage) known[path] = storage = std::make_shared<MemoryStorage>();
  return storage;
}

INSTANTIATE_TEST_SUITE_P(Folder, StorageContract, testing::Values(StorageMaker(folder)));
INSTANTIATE_TEST_SUITE_P(Memory, StorageContract, testing::Values(StorageMaker(memory)));

TEST(FolderStorageTest, AKilledWriterLeavesNothingHalf) {
  TempDir dir;
  const std::string bytes(2U << 20U, 'k');
  int whole = 0;
  for (int round = 0; round < 5; ++round) {
    int ready[2];
    ASSERT_EQ(::pipe(ready), 0);
    const pid_t child = ::fork();
    if (child == 0) {
      FolderStorage storage(dir.file("objects"));
      for (int i = 0;; ++i) {
        (void)storage.put("p/" + std::to_string(round) + "-" + std::to_string(i), bytes);
        if (i == round) (void)!::write(ready[1], "x", 1);
      }
    }
    char byte = 0;
    ASSERT_EQ(::read(ready[0], &byte, 1), 1);
    ::usleep(static_cast<useconds_t>(round) * 700);
    ::kill(child, SIGKILL);
    ASSERT_EQ(::waitpid(child, nullptr, 0), child);
    ::close(ready[0]);
    ::close(ready[1]);
    FolderStorage storage(dir.file("objects"));
    for_each_object(storage, "", [&](const ListedObject& object) {
      EXPECT_EQ(storage.get(object.name, bytes.size()), bytes);
      ++whole;
      return true;
    });
    EXPECT_TRUE(storage.put("after/" + std::to_string(round), bytes));
    EXPECT_TRUE(list_directory(dir.file("objects/.making")).empty());
  }
  EXPECT_GE(whole, 5);
}

TEST(FolderStorageTest, AFileOfAnotherFileSystemIsCopied) {
  if (::access("/dev/shm", W_OK) != 0) GTEST_SKIP() << "no second file system at /dev/shm";
  TempDir dir;
  std::string other = "/dev/shm/bk-test-XXXXXX";
  ASSERT_NE(::mkdtemp(other.data()), nullptr);
  struct stat here {};
  struct stat there {};
  ASSERT_EQ(::stat(dir.path().c_str(), &here), 0);
  ASSERT_EQ(::stat(other.c_str(), &there), 0);
  ASSERT_NE(here.st_dev, there.st_dev) << "set TEST_TMPDIR to a folder that is not on /dev/shm";
  ASSERT_TRUE(create_durably(other + "/file", "bytes"));
  FolderStorage storage(dir.file("objects"));
  EXPECT_TRUE(storage.adopt("p/a", other + "/file"));
  EXPECT_FALSE(path_exists(other + "/file"));
  EXPECT_EQ(storage.get("p/a", 10), "bytes");
  ASSERT_TRUE(create_durably(other + "/file", "other"));
  storage.replace("p/a", other + "/file");
  EXPECT_FALSE(path_exists(other + "/file"));
  EXPECT_EQ(storage.get("p/a", 10), "other");
  remove_tree(other);
}

TEST(FolderStorageTest, ADiskThatRefusesIsAnErrorAndNotAMissingObject) {
  TempDir dir;
  ASSERT_TRUE(create_durably(dir.file("objects"), "a file where the folder should be"));
  FolderStorage storage(dir.file("objects"));
  EXPECT_THROW((void)storage.put("a", "x"), Error);
  FolderStorage looped(dir.file("loop"));
  ASSERT_EQ(::symlink("loop", dir.file("loop").c_str()), 0);
  EXPECT_THROW((void)looped.open("a"), Error);
}

}  // namespace
}  // namespace bk::test
