// What leaves the server for a client: nothing that it did not ask for.
#include "server/bkdb/group_feed.h"

#include "tests/support/temp_dir.h"

#include <gtest/gtest.h>

#include <filesystem>

namespace bk::bkdb {
namespace {

class Groups final : public RestoreSink {
 public:
  void enter(const Entry&) override {}
  void leave() override {}
  void file(const Entry&, FilePart) override {}
  void more(FilePart) override {}
  void special(const Entry&) override {}
  void link(const std::string&, const Entry&) override {}
  void damaged(std::uint64_t, std::uint64_t, const std::string& reason) override { ADD_FAILURE() << reason; }
  void group(EncodedGroup group, std::vector<RestorePlace> places) override {
    content += GroupDecoder().decode(group.codec, group.bytes, group.content_bytes);
    count += places.size();
  }
  void end_window() override {}

  std::string content;
  std::size_t count = 0;
};

// web1 gave a group of two chunks; what a client gets of it that needs one of them.
class SharedGroup : public testing::Test {
 protected:
  SharedGroup() {
    const auto first = store->writer("web1", "directories", "rsync", "/srv");
    large_id = first->put(ObjectKind::Data, large);
    small_id = first->put(ObjectKind::Data, small);
    first->sync();
  }

  std::string sent(const std::string& client, const ChunkId& id, const std::string& content) {
    Groups sink;
    GroupFeed feed(*store, sink, client);
    feed.want(id, static_cast<std::uint32_t>(content.size()), 0, 0);
    feed.send();
    EXPECT_EQ(sink.count, 1U);
    return sink.content;
  }

  test::TempDir dir;
  std::unique_ptr<store::Store> store = store::Store::open(dir.file("store"), true);
  std::string large = std::string(3000, 's'), small = std::string(500, '!');
  ChunkId large_id{}, small_id{};
};

TEST_F(SharedGroup, IsNotSentToAnotherClientWithTheRestOfIt) {
  (void)store->writer("web2", "directories", "rsync", "/srv")->put(ObjectKind::Data, large);
  EXPECT_EQ(sent("web2", large_id, large), large);
}

TEST_F(SharedGroup, IsSentAsItIsToWhoGaveAllOfIt) { EXPECT_EQ(sent("web1", large_id, large), large + small); }

TEST_F(SharedGroup, IsNotSentForASmallPartOfIt) { EXPECT_EQ(sent("web1", small_id, small), small); }

TEST_F(SharedGroup, IsNotSentWholeWhenNobodyKnowsWhoOwnsIt) {
  std::filesystem::remove_all(dir.file("index/possession"));
  EXPECT_EQ(sent("web1", large_id, large), large);
}

}  // namespace
}  // namespace bk::bkdb
