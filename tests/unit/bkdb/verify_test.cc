#include "common/digest/sha256.h"
#include "common/error/error.h"
#include "tests/unit/bkdb/bkdb_fixture.h"

#include <sys/stat.h>

#include <algorithm>

namespace bk::test {
namespace {

class VerifyTest : public BkdbTest {
 protected:
  // Flips one bit inside the only occurrence of `bytes` in any file of the store.
  void flip_at(const std::string& bytes) const {
    std::vector<std::string> folders = {home() + "/store"};
    while (!folders.empty()) {
      const std::string at = folders.back();
      folders.pop_back();
      for (const std::string& name : list_directory(at)) {
        const std::string path = at + "/" + name;
        if (is_directory(path)) {
          folders.push_back(path);
          continue;
        }
        std::string content = read_file(path);
        const std::size_t found = content.find(bytes);
        if (found == std::string::npos) continue;
        content[found + bytes.size() / 2] = static_cast<char>(content[found + bytes.size() / 2] ^ 0x10);
        replace_durably(path, content);
        return;
      }
    }
    FAIL() << "these bytes are not in the store as they are";
  }

  static std::string noise(std::size_t size, std::uint64_t seed) {
    std::string out(size, '\0');
    for (char& c : out) {
      seed ^= seed << 13U;
      seed ^= seed >> 7U;
      seed ^= seed << 17U;
      c = static_cast<char>(seed >> 32U);
    }
    return out;
  }
};

TEST_F(VerifyTest, GoodStoreIsGoodAndEveryByteWasRead) {
  write("t/a", noise(300000, 3));
  (void)back_up("t", {});
  const Captured result = bkdb({"verify"});
  EXPECT_EQ(result.status, 0) << result.out << result.err;
  EXPECT_NE(result.out.find("300000 bytes read"), std::string::npos) << result.out;
}

TEST_F(VerifyTest, FlippedBitNamesEverySnapshotAndPathThatSuffers) {  // B004-15
  const std::string damaged = noise(8000, 5);
  write("t/dir/victim", damaged);
  write("t/same-content", damaged);
  write("t/innocent", noise(8000, 6));
  const auto first = back_up("t", {.began = {1'378'344'930, 0}});
  write("t/new", "new");
  const auto second = back_up("t", {.began = {1'378'344'931, 0}});
  store_.reset();
  flip_at(damaged.substr(4000, 64));
  const Captured result = bkdb({"verify"});
  EXPECT_EQ(result.status, 65);
  for (const auto& record : {first, second})
    for (const char* path : {"\"/srv/t/dir/victim\"", "\"/srv/t/same-content\""}) {
      bool named = false;
      std::size_t begin = 0;
      for (std::size_t end = result.out.find('\n'); end != std::string::npos;
           begin = end + 1, end = result.out.find('\n', begin)) {
        const std::string line = result.out.substr(begin, end - begin);
        named = named || (line.find(record.id.substr(0, 12)) != std::string::npos &&
                          line.find(path) != std::string::npos);
      }
      EXPECT_TRUE(named) << record.id << " " << path << "\n" << result.out;
    }
}

TEST_F(VerifyTest, ExportOfDamagedFileIs65LeavesItOutAndKeepsTheRest) {
  const std::string damaged = noise(8000, 5);
  write("t/victim", damaged);
  write("t/innocent", std::string(100, 'i'));
  ASSERT_EQ(::link(file("t/victim").c_str(), file("t/victim-too").c_str()), 0);
  (void)back_up("t", {});
  store_.reset();
  flip_at(damaged.substr(4000, 64));
  const Captured result = bkdb({"export", file("out")});
  EXPECT_EQ(result.status, 65) << result.err;
  EXPECT_NE(result.err.find("victim\": damaged"), std::string::npos) << result.err;
  EXPECT_NE(result.err.find("victim-too\": damaged"), std::string::npos) << result.err;
  // Chunks of one group share their fate only when they are compressed together; names tell.
  EXPECT_FALSE(path_exists(entry_of(file("out")) + "/victim"));
  EXPECT_FALSE(path_exists(entry_of(file("out")) + "/victim-too"));
}

TEST_F(VerifyTest, CatOfDamagedFileIs65) {
  const std::string damaged = noise(8000, 5);
  write("t/victim", damaged);
  (void)back_up("t", {});
  store_.reset();
  flip_at(damaged.substr(4000, 64));
  EXPECT_EQ(bkdb({"cat", "0", "victim"}).status, 65);
}

TEST_F(VerifyTest, StructureDoesNotReadContents) {
  const std::string damaged = noise(8000, 5);
  write("t/victim", damaged);
  (void)back_up("t", {});
  const Captured result = bkdb({"verify", "--structure"});
  EXPECT_EQ(result.status, 0) << result.out;
  EXPECT_NE(result.out.find(" 0 bytes read"), std::string::npos) << result.out;
}

TEST_F(VerifyTest, JsonNamesSourceSnapshotAndPath) {
  const std::string damaged = noise(8000, 5);
  write("t/caf\xc3\xa9", damaged);
  const auto record = back_up("t", {});
  store_.reset();
  flip_at(damaged.substr(4000, 64));
  const Captured result = bkdb({"verify", "--json"});
  EXPECT_EQ(result.status, 65);
  EXPECT_NE(result.out.find("\"snapshot\":\"" + record.id), std::string::npos) << result.out;
  EXPECT_NE(result.out.find("\"path\":\"caf%C3%A9\""), std::string::npos) << result.out;
}

// Two good chunks as an archive whose client computed `claimed`.
store::SnapshotRecord commit_archive(store::Store& store, const std::string& claimed) {
  const auto writer = store.writer("web1", "wiki", "sftp", "/srv/wiki");
  store::SnapshotRecord record;
  record.client = "web1";
  record.module = "wiki";
  record.method = "sftp";
  record.name = "/srv/wiki";
  record.archive_sha256 = Sha256::of(claimed).hex();
  for (const char* half : {"first half, ", "second half"})
    record.root.content.push_back(
        {Extent::Kind::Chunk, std::string(half).size(), writer->put(ObjectKind::Data, half), {}});
  record.root.size = std::string("first half, second half").size();
  return writer->commit(std::move(record));
}

TEST_F(VerifyTest, ArchiveIsHashedAsAWholeAndComparedWithItsClientsDigest) {
  (void)commit_archive(*store_, "first half, second half");
  EXPECT_EQ(bkdb({"verify"}).status, 0);
  const auto swapped = commit_archive(*store_,
                                      "second half"
                                      "first half, ");
  const Captured result = bkdb({"verify"});
  EXPECT_EQ(result.status, 65);
  EXPECT_NE(result.out.find("damaged: snapshot " + swapped.id.substr(0, 12)), std::string::npos)
      << result.out;
  EXPECT_NE(result.out.find("its client computed " + swapped.archive_sha256), std::string::npos)
      << result.out;
  EXPECT_NE(result.out.find("1 problems"), std::string::npos) << result.out;
  EXPECT_EQ(bkdb({"verify", "--structure"}).status, 0);
}

TEST_F(VerifyTest, NothingToVerifyIs69) {
  write("t/a", "a");
  (void)back_up("t", {});
  EXPECT_EQ(bkdb({"verify", "0", "=1999-01-01"}).status, 69);
}

}  // namespace
}  // namespace bk::test
