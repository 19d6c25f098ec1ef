// What leaves the server for a client: nothing that it did not ask for.
#include "server/bkdb/group_feed.h"

#include "tests/support/temp_dir.h"

#include <gtest/gtest.h>

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

TEST(GroupFeed, AGroupThatAnotherClientGaveIsNotSentWithTheRestOfIt) {
  const test::TempDir dir;
  const auto store = store::Store::open(dir.file("store"), true);
  const std::string shared(3000, 's'), secret(500, '!');
  const auto first = store->writer("web1", "directories", "rsync", "/srv");
  const ChunkId id = first->put(ObjectKind::Data, shared);
  (void)first->put(ObjectKind::Data, secret);
  first->sync();
  Groups sink;
  GroupFeed feed(*store, sink, true);
  feed.want(id, static_cast<std::uint32_t>(shared.size()), 0, 0);
  feed.send();
  EXPECT_EQ(sink.count, 1U);
  EXPECT_EQ(sink.content, shared);
}

}  // namespace
}  // namespace bk::bkdb
