#include "common/error/error.h"
#include "common/io/file.h"
#include "server/config/config.h"

#include <gtest/gtest.h>

#include <array>
#include <sstream>

namespace bk::server {
namespace {

std::string server_part() {
  const std::string page = read_file(std::string(BK_SOURCE) + "/docs/formats/backupconfig.md");
  const std::size_t from = page.find("## Server");
  return page.substr(from, page.find("## Evolution") - from);
}

std::string refusal(const std::string& text) {
  try {
    (void)parse_config(text, "b.toml", "/home/s");
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Kind::Config);
    return error.what();
  }
  return "accepted";
}

TEST(ServerConfig, DefaultsAreThoseOfTheDesign) {
  const ServerConfig c = parse_config("host = 'b'\n", "b.toml", "/home/s");
  EXPECT_EQ(c.store, "/home/s/store");
  EXPECT_EQ(c.store_parity, 3U);
  EXPECT_EQ(c.store_reserve, 32U << 20U);
  EXPECT_EQ(c.identity, "/home/s/.ssh/id_ed25519");
  EXPECT_EQ(c.limits.attempts, 5);
  EXPECT_EQ(c.limits.turn, std::chrono::minutes(30));
  EXPECT_EQ(backoff_after(c.limits, 1).count(), 60);
  EXPECT_EQ(backoff_after(c.limits, 2).count(), 300);
  EXPECT_EQ(backoff_after(c.limits, 4).count(), 3600);
  EXPECT_EQ(backoff_after(c.limits, 9).count(), 3600);
}

TEST(ServerConfig, WrongValuesNameTheLine) {
  EXPECT_EQ(refusal("host = 'b'\n[limits]\nconcurrency = 0\n"),
            "b.toml:3: limits.concurrency: 0 is not within 1 to 256");
  EXPECT_EQ(refusal("host = 'b'\n[limits]\nbackoff = ['1m', 'soon']\n"),
            "b.toml:3: limits.backoff: \"soon\" is not a duration such as \"15m\"");
  EXPECT_EQ(refusal("host = 'b'\n[limits]\nidle_timeout = '0s'\n"),
            "b.toml:3: limits.idle_timeout: must be longer than nothing");
  EXPECT_EQ(refusal("host = 'b'\n[limits]\nturn = 'soon'\n").substr(0, 20), "b.toml:3: limits.tur");
  EXPECT_EQ(refusal("host = 'b'\nstroe = 'x'\n"), "b.toml:2: unknown key \"stroe\"; did you mean \"store\"?");
  EXPECT_NE(refusal("host = 'b'\n[store]\npath = '../x'\n").find("b.toml:3: store.path:"), std::string::npos);
}

TEST(ServerConfig, AMissingFileSaysWhatToDo) {
  try {
    (void)load_config("/nonexistent");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Kind::Config);
    EXPECT_NE(std::string(error.what()).find("bk_access init"), std::string::npos);
  }
}

TEST(ServerConfig, ThePageListsEveryKeyWithTypeAndDefault) {
  std::istringstream lines(server_part());
  std::size_t at = 0;
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with("| `")) continue;
    ASSERT_LT(at, server_schema().size());
    const ConfigKey& key = server_schema()[at++];
    const std::string fallback(key.fallback.empty() ? "none" : key.fallback);
    EXPECT_EQ(line, "| `" + std::string(key.key) + "` | " + std::string(type_name(key.type)) + " | " +
                        fallback + " | " + std::string(key.meaning) + " |");
  }
  EXPECT_EQ(at, server_schema().size());
}

TEST(ServerConfig, TheExampleOnThePageIsAccepted) {
  const std::string page = server_part();
  const std::size_t begin = page.find("```toml\n") + 8;
  const ServerConfig c = parse_config(page.substr(begin, page.find("```", begin) - begin), "page", "/home/s");
  EXPECT_EQ(c.limits.concurrency, 8U);
  EXPECT_EQ(c.store, "/srv/backup/store");
}

}  // namespace
}  // namespace bk::server
