#include "server/pull/ssh_bridge.h"

#include <gtest/gtest.h>

namespace bk::pull {
namespace {

TEST(BridgeOrder, ReadsWhatItWrote) {
  BridgeOrder order;
  order.endpoint.address = {"backup", "::1", 2222, ""};
  order.endpoint.host_key = "ssh-ed25519 AAAA";
  order.endpoint.identity_file = "/h/.ssh/id";
  order.endpoint.idle_timeout = std::chrono::milliseconds(1500);
  order.endpoint.probe = std::chrono::milliseconds(700);
  order.command = "git-upload-pack '/srv/a\nb'";
  const BridgeOrder read = parse_order(write_order(order));
  EXPECT_EQ(read.endpoint.address.host, "::1");
  EXPECT_EQ(read.endpoint.idle_timeout.count(), 1500);
  EXPECT_EQ(read.endpoint.probe.count(), 700);
  EXPECT_EQ(read.endpoint.bandwidth.bytes_per_second, 0U);
  EXPECT_EQ(read.command, order.command);
  order.endpoint.bandwidth = {1U << 20U, "/h/tmp/bandwidth/web1"};
  EXPECT_EQ(parse_order(write_order(order)).endpoint.bandwidth.bytes_per_second, 1U << 20U);
  EXPECT_EQ(parse_order(write_order(order)).endpoint.bandwidth.file, "/h/tmp/bandwidth/web1");
}

TEST(BridgeOrder, NothingOfItStandsInTheEnvironmentButNumbers) {
  BridgeOrder order;
  order.endpoint.address = {"backup", "secret.example", 22, ""};
  order.endpoint.host_key = "ssh-ed25519 AAAA";
  order.endpoint.identity_file = "/h/.ssh/id";
  order.command = "git-upload-pack '/x'";
  const BridgeFiles files(order);
  for (const std::string& variable : files.environment())
    EXPECT_EQ(variable.find_first_not_of("0123456789", variable.find('=') + 1), std::string::npos)
        << variable;
  EXPECT_FALSE(files.failure());
}

}  // namespace
}  // namespace bk::pull
