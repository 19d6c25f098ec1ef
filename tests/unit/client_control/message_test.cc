#include "client/control/message.h"

#include "common/error/error.h"
#include "common/text/document.h"

#include <gtest/gtest.h>

namespace bk::client {
namespace {

OutgoingRequest request(const std::string& name, std::size_t bytes = 10) {
  return {name, "RQ" + name, std::string(bytes, 'x')};
}

TEST(ControlMessage, APushHoldsAThousandRequestsAtMost) {
  std::vector<OutgoingRequest> all;
  for (int i = 0; i < 2500; ++i) all.push_back(request(std::to_string(i)));
  const auto cut = portions(all);
  ASSERT_EQ(cut.size(), 3U);
  EXPECT_EQ(cut[0].size(), 1000U);
  EXPECT_EQ(cut[2].size(), 500U);
  EXPECT_EQ(cut[2].back().id, "2499");
}

TEST(ControlMessage, APushStaysWellBelowTheServersLimitInBytes) {
  std::vector<OutgoingRequest> all;
  for (int i = 0; i < 300; ++i) all.push_back(request(std::to_string(i), 60000));
  for (const auto& portion : portions(all)) {
    std::size_t bytes = 0;
    for (const auto& r : portion) bytes += r.text.size();
    EXPECT_LE(bytes, kMaxBytesAPush);
  }
}

TEST(ControlMessage, TwoRequestsOfOneNameGoInTwoPushes) {
  const auto cut = portions({request("a"), request("b"), request("a")});
  ASSERT_EQ(cut.size(), 2U);
  EXPECT_EQ(cut[0].size(), 2U);
  EXPECT_EQ(cut[1].size(), 1U);
  EXPECT_TRUE(portions({}).empty());
}

TEST(ControlMessage, SaysHowManyAndWhatIsConfirmed) {
  EXPECT_EQ(commit_message("web1", 3, "5c0f"), "requests from web1: 3\n\nreceipts: 5c0f\n");
  EXPECT_EQ(commit_message("web1", 0, ""), "requests from web1: 0\n\nreceipts: none\n");
}

TEST(ControlMessage, TheMarkIsOneNumber) {
  EXPECT_EQ(parse_mark(Document("bk-mark", 1).add("counter", std::uint64_t{41}).write()), 41U);
  for (const std::string& bad : {std::string("41"), std::string(), Document("bk-mark", 1).write(),
                                 Document("bk-mark", 1).add("counter", "-1").write(),
                                 Document("bk-mark", 1).add("counter", "1").add("other", "2").write()})
    EXPECT_THROW((void)parse_mark(bad), Error) << bad;
}

TEST(ControlMessage, TheClientIsTheRepositorysName) {
  EXPECT_EQ(client_of("/web1.git"), "web1");
  EXPECT_EQ(client_of("/a/b/web-2.git"), "web-2");
  EXPECT_EQ(client_of("/plain"), "plain");
}

}  // namespace
}  // namespace bk::client
