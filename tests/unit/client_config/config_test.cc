#include "common/config/config.h"

#include "client/config/config.h"
#include "common/error/error.h"
#include "common/io/file.h"

#include <gtest/gtest.h>

#include <array>
#include <sstream>

namespace bk {
namespace {

constexpr ConfigKey kRows[] = {
    {"host", ConfigType::Text, kRequired, "this machine"},
    {"parallel", ConfigType::Number, "2", ""},
    {"limits.wait", ConfigType::Duration, "15m", ""},
    {"limits.room", ConfigType::Size, "1MiB", ""},
    {"server.NAME.url", ConfigType::Text, kRequired, "where"},
    {"server.NAME.paths", ConfigType::TextList, "", ""},
    {"server.NAME.fast", ConfigType::Flag, "false", ""},
};

Config parse(std::string_view text) { return Config::parse(text, "f.toml", kRows); }

std::string complaint(std::string_view text) {
  try {
    (void)parse(text);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Kind::Config);
    return error.what();
  }
  return "accepted";
}

TEST(Config, ValuesAreReadByTypeAndDefaultsFillTheRest) {
  const Config c =
      parse("host = 'a'\n[limits]\nwait='90s'\n[server.\"b.example\"]\nurl='u'\npaths='/one'\nfast=true\n");
  EXPECT_EQ(c.text({"host"}), "a");
  EXPECT_EQ(c.number({"parallel"}), 2U);
  EXPECT_EQ(c.duration({"limits", "wait"}).count(), 90);
  EXPECT_EQ(c.size({"limits", "room"}), 1U << 20U);
  EXPECT_EQ(c.tables({"server"}), std::vector<std::string>{"b.example"});
  EXPECT_EQ(c.list({"server", "b.example", "paths"}), std::vector<std::string>{"/one"});
  EXPECT_TRUE(c.flag({"server", "b.example", "fast"}));
}

TEST(Config, UnknownKeysNameTheLineAndTheNearestKey) {
  EXPECT_EQ(complaint("host='a'\n\nparalel = 3\n"),
            "f.toml:3: unknown key \"paralel\"; did you mean \"parallel\"?");
  EXPECT_EQ(complaint("host='a'\n[server.x]\nurl='u'\nulr='v'\n"),
            "f.toml:4: unknown key \"server.x.ulr\"; did you mean \"url\"?");
  EXPECT_EQ(complaint("host='a'\n[sever.x]\nurl='u'\n"),
            "f.toml:2: unknown key \"sever\"; did you mean \"server\"?");
  EXPECT_NE(
      complaint("host='a'\ncompletely_different=1\n").find("known here: host, limits, parallel, server"),
      std::string::npos);
}

TEST(Config, WrongTypesSayWhatWouldBeRight) {
  EXPECT_EQ(complaint("host = 7\n"), "f.toml:1: host: expected text in quotes, such as \"web1\"");
  EXPECT_EQ(complaint("host='a'\nparallel='2'\n"), "f.toml:2: parallel: expected a whole number, such as 4");
  EXPECT_EQ(complaint("host='a'\nparallel=-1\n"), "f.toml:2: parallel: expected a whole number, such as 4");
  EXPECT_NE(complaint("host='a'\n[limits]\nwait='15'\n").find("f.toml:3: limits.wait: expected a duration"),
            std::string::npos);
  EXPECT_NE(complaint("host='a'\n[server.x]\nurl='u'\npaths=['a',\n 3]\n").find("f.toml:5: server.x.paths"),
            std::string::npos);
  EXPECT_NE(complaint("host='a'\nserver='x'\n").find("f.toml:2: server: expected a table"),
            std::string::npos);
  EXPECT_NE(complaint("[host]\n").find("expected text, found a table"), std::string::npos);
}

TEST(Config, MissingRequiredKeysAndBadSyntaxAreErrorsWithALine) {
  EXPECT_EQ(complaint("parallel=3\n").substr(0, 26), "f.toml:1: host is missing:");
  EXPECT_EQ(complaint("host='a'\n[server.x]\n"), "f.toml:2: server.x.url is missing: where");
  EXPECT_EQ(complaint("host='a'\n= 3\n").substr(0, 9), "f.toml:2:");
  EXPECT_EQ(complaint("host='a'\nhost='b'\n").substr(0, 9), "f.toml:2:");
  EXPECT_NE(complaint("host='a'\n[server.\"../x\"]\nurl='u'\n").find("f.toml:2: \"../x\": a name has"),
            std::string::npos);
}

TEST(Config, RubbishIsAnErrorWithALineAndNeverACrash) {
  EXPECT_EQ(complaint("[[[\n").substr(0, 9), "f.toml:1:");
  EXPECT_EQ(complaint("host='a'\n[[[\n").substr(0, 9), "f.toml:2:");
  const std::string good = "host = 'a'\n[server.x]\nurl = \"u\"\npaths = [ '/a', \"b\" ]\nfast = true\n";
  constexpr std::string_view kBytes = "[]{}=.,'\"\\#\n\0\xff 1a";
  for (std::size_t i = 0; i <= good.size(); ++i) {
    for (const char byte : kBytes) {
      std::string bad = good;
      bad.insert(i, 1, byte);
      (void)complaint(bad);
      (void)complaint(bad.substr(0, i + 1));
      bad.insert(i, 2, byte);
      (void)complaint(bad);
    }
  }
}

// Each of these met an assertion of toml++ 3.3.0.
TEST(Config, SyntaxThatNoKeyBeginsWithIsAnErrorWithALine) {
  for (const char* line : {"[[[", "[[[a]]]", "[= x]", "[=]", "a.=1", "[a.]", "= x", "a={=}", "a={,}",
                           "[\x01]", "\xc3\xa9 = 1", "x\xef\xbb\xaf= 1"})
    EXPECT_EQ(complaint(std::string("host='a'\n") + line + "\n").substr(0, 9), "f.toml:2:") << line;
}

TEST(Config, BytesOfTheFileAreEscapedInMessages) {
  const std::string why = complaint("host='a'\nx =n\ttrue\x1b[31m\n");
  EXPECT_EQ(why.find_first_of("\t\x1b\n"), std::string::npos) << why;
  EXPECT_NE(why.find("\\x09"), std::string::npos) << why;
}

TEST(Config, KeysDeeperThanTheStackAreRefusedWithTheirLine) {
  std::string dots;
  for (int i = 0; i < 400000; ++i) dots += "a.";
  EXPECT_EQ(complaint("host='a'\n" + dots + "a = 1\n"),
            "f.toml:2: more than 64 dots in the keys of one line");
  EXPECT_EQ(complaint("host='a'\n\n[" + dots + "a]\n").substr(0, 9), "f.toml:3:");
  EXPECT_EQ(complaint("host='a'\nx = " + std::string(100000, '[')).substr(0, 9), "f.toml:2:");
  (void)parse("host = \"\\\"" + dots + "\"  # " + dots + "\n");
}

TEST(Config, DurationsAndSizesHaveOneSpellingAndBounds) {
  EXPECT_EQ(parse_duration("7d")->count(), 7 * 86400);
  for (const char* bad : {"", "7", "d", "-1s", "1.5h", "07s", "1 h", "99999d", "18446744073709551615d"})
    EXPECT_FALSE(parse_duration(bad)) << bad;
  EXPECT_EQ(parse_size("2GiB"), 2ULL << 30U);
  EXPECT_EQ(parse_size("10"), 10U);
  for (const char* bad : {"", "MiB", "1MB", "-1", "99999999999TiB"}) EXPECT_FALSE(parse_size(bad)) << bad;
}

}  // namespace
}  // namespace bk

namespace bk::client {
namespace {

constexpr const char* kGood = R"(host = "web1"
[server.main]
url = "ssh://git@backup.example.org:2222/web1.git"
hostkey = "ssh-ed25519 AAAA"
identity = ".ssh/id_ed25519"
[module.directories]
paths = ["/srv/www/", "/etc"]
[module.notes]
cmd = ["dump_notes", "--all"]
)";

std::string refusal(const std::string& text) {
  try {
    (void)parse_config(text, "b.toml", "/home/x");
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Kind::Config);
    return error.what();
  }
  return "accepted";
}

TEST(ClientConfig, PathsAreCleanedAndTheClientIsNamedByTheUrl) {
  const ClientConfig c = parse_config(kGood, "b.toml", "/home/x");
  EXPECT_EQ(c.default_server, "main");
  EXPECT_EQ(c.servers.at("main").client, "web1");
  EXPECT_EQ(c.servers.at("main").identity, "/home/x/.ssh/id_ed25519");
  EXPECT_EQ(c.modules.at("directories").paths, (std::vector<std::string>{"/srv/www", "/etc"}));
  EXPECT_EQ(c.modules.at("directories").method, "rsync");
  EXPECT_EQ(c.modules.at("wiki").cmd, (std::vector<std::string>{"backup_site", "wiki"}));
  EXPECT_EQ(c.modules.at("notes").cmd, (std::vector<std::string>{"dump_notes", "--all"}));
}

TEST(ClientConfig, AServerIsFoundByNameByUrlAndByDefault) {
  const ClientConfig c = parse_config(kGood, "b.toml", "/home/x");
  EXPECT_EQ(find_server(c, "").name, "main");
  EXPECT_EQ(find_server(c, "main").name, "main");
  EXPECT_EQ(find_server(c, "ssh://git@backup.example.org:2222/web1.git").name, "main");
  EXPECT_THROW((void)find_server(c, "ssh://git@evil.example.org/web1.git"), Error);
  EXPECT_THROW((void)find_server(c, "other"), Error);
  EXPECT_THROW((void)find_module(c, "wikis"), Error);
}

TEST(ClientConfig, WrongValuesNameTheLine) {
  const std::string good = kGood;
  EXPECT_EQ(refusal(good), "accepted");
  EXPECT_EQ(refusal(good + "time_limit = \"0s\"\n"),
            "b.toml:10: module.notes.time_limit: must be longer than nothing");
  EXPECT_NE(
      refusal(good + "paths = [\"srv\"]\n").find("b.toml:10: module.notes.paths: \"srv\" is not an absolute"),
      std::string::npos);
  EXPECT_NE(refusal(good + "paths = [\"/a/../b\"]\n").find("\"..\" in a path"), std::string::npos);
  EXPECT_NE(
      refusal(good + "[consent.mian]\nroots=[\"/\"]\n").find("b.toml:10: consent.mian: no [server.mian]"),
      std::string::npos);
  EXPECT_NE(refusal(good + "[module.x]\n").find("b.toml:10: module.x.cmd: a module that is not built in"),
            std::string::npos);
  EXPECT_NE(refusal("default_server = 'x\xef\xbb\xbf'\n" + good)
                .find("\"x\\xef\\xbb\\xbf\" is not a server's name"),
            std::string::npos);
  EXPECT_NE(refusal("default_server = 'x'\n" + good).find("b.toml:1: default_server: no [server.x]"),
            std::string::npos);
  EXPECT_NE(refusal(good + "[server.b]\nurl='git@x:y.git'\nhostkey='a b'\nidentity='k'\n").find("b.toml:11:"),
            std::string::npos);
}

// The rows "| `key` | type | default | meaning |" of the page, in its order.
std::vector<std::array<std::string, 3>> documented() {
  std::vector<std::array<std::string, 3>> rows;
  const std::string page = read_file(std::string(BK_SOURCE_DIR) + "/docs/formats/backupconfig.md");
  const std::size_t from = page.find("## Client");
  const std::size_t to = page.find("## Server");
  std::istringstream lines(page.substr(from, to == std::string::npos ? to : to - from));
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with("| `")) continue;
    std::array<std::string, 3> cells;
    std::size_t begin = 2;
    for (std::string& cell : cells) {
      const std::size_t end = line.find(" | ", begin);
      cell = line.substr(begin, end - begin);
      std::erase(cell, '`');
      begin = end + 3;
    }
    rows.push_back(cells);
  }
  return rows;
}

TEST(ClientConfig, APathHasOptionsOfItsOwnAndElseThoseOfItsModule) {
  const ClientConfig c = parse_config(
      "host='web1'\n[module.directories]\nexclude=['*.tmp']\none_fs=true\nbefore=['pause']\n"
      "[module.directories.path.'/srv/a.b c']\nexclude=[]\nread_from='/run/snap'\nrelease=['/bin/drop', "
      "'x']\n",
      "f", "/home/x");
  const ModuleConfig& module = c.modules.at("directories");
  const PathConfig& own = module.options_of("/srv/a.b c");
  EXPECT_TRUE(own.exclude.empty());
  EXPECT_TRUE(own.one_fs);
  EXPECT_EQ(own.before, std::vector<std::string>{"pause"});
  EXPECT_EQ(own.release, (std::vector<std::string>{"/bin/drop", "x"}));
  EXPECT_EQ(own.read_from, "/run/snap");
  EXPECT_EQ(module.options_of("/srv").exclude, std::vector<std::string>{"*.tmp"});
  EXPECT_TRUE(module.options_of("/srv").read_from.empty());
  for (const char* bad : {"path.'srv'", "path.'/srv/'", "path.'/a/../b'", "path.\"/a\\u001fb\""})
    EXPECT_THROW((void)parse_config("host='w'\n[module.directories." + std::string(bad) + "]\n", "f", "/h"),
                 Error)
        << bad;
}

TEST(ClientConfig, ThePageListsEveryKeyWithTypeAndDefault) {
  const auto rows = documented();
  ASSERT_EQ(rows.size(), client_schema().size());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const ConfigKey& key = client_schema()[i];
    EXPECT_EQ(rows[i][0], key.key);
    EXPECT_EQ(rows[i][1], type_name(key.type)) << key.key;
    EXPECT_EQ(rows[i][2], key.fallback.empty() ? "none" : key.fallback) << key.key;
  }
}

TEST(ClientConfig, TheExampleOnThePageIsAccepted) {
  const std::string page = read_file(std::string(BK_SOURCE_DIR) + "/docs/formats/backupconfig.md");
  const std::size_t begin = page.find("```toml\n") + 8;
  const ClientConfig c = parse_config(page.substr(begin, page.find("```", begin) - begin), "page", "/home/x");
  EXPECT_EQ(c.servers.size(), 2U);
  EXPECT_EQ(c.default_server, "main");
}

}  // namespace
}  // namespace bk::client
