// A client that asks a server for its own snapshots, and a far side that is not what it hopes for.
#include "client/restore/fetch.h"

#include "common/error/error.h"
#include "tests/support/sshd.h"
#include "tests/support/temp_dir.h"

#include <gtest/gtest.h>

namespace bk::client {
namespace {

// The refusal may come before the question is written: every time it is what a person is told.
TEST(Fetch, ARefusalIsToldThoughTheFarSideEndedBeforeItWasAsked) {
  test::Sshd::Options options;
  options.key_options = R"(restrict,command="echo 'restores are not allowed here' >&2; exit 77" )";
  const test::Sshd server(options);
  const test::TempDir home;
  ServerConfig config;
  config.name = "server1";
  config.url = "ssh://" + test::user_name() + "@127.0.0.1:" + std::to_string(server.port()) + "/web1.git";
  config.hostkey = server.host_key();
  config.identity = server.identity();
  for (int i = 0; i < 25; ++i) {
    try {
      (void)fetch(home.path(), config, {}, {});
      FAIL() << "nothing was thrown";
    } catch (const Error& error) {
      ASSERT_EQ(error.kind(), Kind::Refused) << error.what();
      ASSERT_STREQ(error.what(), "the server says: restores are not allowed here");
    }
  }
}

}  // namespace
}  // namespace bk::client
