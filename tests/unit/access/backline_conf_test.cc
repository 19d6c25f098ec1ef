#include "common/error/error.h"
#include "common/io/file.h"
#include "server/access/client_rules.h"

#include <gtest/gtest.h>

namespace bk::server {
namespace {

const std::string kKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAICU/iDvoPwEbyCB1uMfUF4XcUbpOFuAKekg8qQxd5RAx";

std::string refusal(const std::string& text) {
  try {
    (void)parse_backline_conf(text);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Kind::Config);
    return error.what();
  }
  return "accepted";
}

TEST(BacklineConf, AClientIsReadWhole) {
  const BacklineConf conf =
      parse_backline_conf("# note\n[client web1]\naddress = b@web1:2222\nhostkey = " + kKey +
                          " root@web1\nusers = ann bob@host\nconcurrency = 3\n");
  const ClientRules* web1 = conf.find("web1");
  ASSERT_NE(web1, nullptr);
  ClientRules expected;
  expected.name = "web1";
  expected.address = "b@web1:2222";
  expected.host_key = kKey;
  expected.users = {"ann", "bob@host"};
  expected.concurrency = 3;
  EXPECT_EQ(*web1, expected);
  EXPECT_EQ(conf.find("web2"), nullptr);
}

TEST(BacklineConf, OnlyItsOwnNameOrAListedUserMayAskForAClient) {
  const BacklineConf conf = parse_backline_conf("[client web1]\nusers = ann\n");
  EXPECT_TRUE(conf.may_ask("web1", "web1"));
  EXPECT_TRUE(conf.may_ask("ann", "web1"));
  EXPECT_FALSE(conf.may_ask("bob", "web1"));
  EXPECT_FALSE(conf.may_ask("ann", "web2"));
  EXPECT_TRUE(conf.may_ask("web3", "web3")) << "a client without a section may still ask for itself";
}

TEST(BacklineConf, MistakesAreNamedByLine) {
  EXPECT_EQ(refusal("[client web1]\nadress = x\n"),
            "backline.conf:2: unknown key \"adress\"; did you mean \"address\"?");
  EXPECT_EQ(refusal("[clients]\n"),
            "backline.conf:1: unknown section \"clients\"; there are [client NAME], [keep …] and [expect …]");
  EXPECT_EQ(refusal("[client ../x]\n"), "backline.conf:1: \"../x\" is no client name");
  EXPECT_EQ(refusal("[client a]\n[client a]\n"), "backline.conf:2: [client a] comes twice");
  EXPECT_EQ(refusal("[client a]\nusers = x\nusers = y\n"),
            "backline.conf:3: \"users\" comes twice in one section");
  EXPECT_EQ(refusal("[client a]\nusers =\n"), "backline.conf:2: \"users\" has no value");
  EXPECT_EQ(refusal("[client a]\nconcurrency = 0\n"), "backline.conf:2: \"0\" is no number from 1 to 64");
  EXPECT_EQ(refusal("[client a]\nhostkey = rubbish\n").substr(0, 17), "backline.conf:2: ");
  EXPECT_EQ(refusal("users = x\n"), "backline.conf:1: \"users\" stands before the first [section]");
  EXPECT_EQ(refusal("[client a]\nx\x01y\n"), "backline.conf:2: a control byte");
}

TEST(BacklineConf, AnAddressThatSshCouldTakeForAnOptionIsRefused) {
  for (const char* bad : {"-oProxyCommand=id@h", "-v@h", "b@-v", "b@-oProxyCommand=id", "b@h:0", "b@h:99999",
                          "b@h;id", "web1", "b@h/x"})
    EXPECT_NE(refusal(std::string("[client a]\naddress = ") + bad + "\n"), "accepted") << bad;
}

TEST(BacklineConf, AClientRestoresByItselfOnlyWhenItIsAllowed) {
  EXPECT_FALSE(parse_backline_conf("[client a]\n").find("a")->restore);
  EXPECT_FALSE(parse_backline_conf("[client a]\nrestore = no\n").find("a")->restore);
  EXPECT_TRUE(parse_backline_conf("[client a]\nrestore = yes\n").find("a")->restore);
  EXPECT_NE(refusal("[client a]\nrestore = true\n").find("neither yes nor no"), std::string::npos);
}

TEST(BacklineConf, AQuotaIsASizeOfAMebibyteAtLeast) {
  const auto quota = [](const std::string& text) {
    return parse_backline_conf("[client a]\nquota = " + text + "\n").find("a")->quota;
  };
  EXPECT_EQ(quota("1MiB"), 1U << 20U);
  EXPECT_EQ(quota("20GiB"), 20ULL << 30U);
  EXPECT_EQ(quota("2000000"), 2000000U);
  EXPECT_EQ(parse_backline_conf("[client a]\nagent = yes\n").find("a")->quota, 0U);
  for (const char* bad : {"0", "1", "1000000", "10G", "10 GiB", "-1GiB", "1.5GiB", "GiB", "99999999999TiB"})
    EXPECT_NE(refusal(std::string("[client a]\nquota = ") + bad + "\n").find("is no size such as"),
              std::string::npos)
        << bad;
}

TEST(BacklineConf, ABandwidthIsBytesASecondWithAnOptionalUnit) {
  const auto bandwidth = [](const std::string& text) {
    return parse_backline_conf("[client a]\nbandwidth = " + text + "\n").find("a")->bandwidth;
  };
  EXPECT_EQ(bandwidth("16384"), 16384U);
  EXPECT_EQ(bandwidth("512K"), 512U << 10U);
  EXPECT_EQ(bandwidth("10M"), 10U << 20U);
  EXPECT_EQ(bandwidth("1G"), 1U << 30U);
  EXPECT_EQ(parse_backline_conf("[client a]\nagent = yes\n").find("a")->bandwidth, 0U);
  for (const char* bad :
       {"0", "1K", "16383", "M", "10MB", "10 M", "-1M", "1.5M", "10m", "2000G", "18446744073709551615G"})
    EXPECT_NE(refusal(std::string("[client a]\nbandwidth = ") + bad + "\n").find("is no rate such as"),
              std::string::npos)
        << bad;
}

TEST(BacklineConf, TheNearestKeepSectionCountsAsAWhole) {
  const KeepConf keep = parse_backline_conf(
                            "[keep]\ndaily = 7\nat_most = 30%\n"
                            "[keep a]\nlast = 3\nyearly = 2\n"
                            "[keep a:wiki]\nwithin = 30d\n"
                            "[keep a:wiki:/srv/wi:ki]\nall = yes\n")
                            .keep;
  EXPECT_EQ(*keep.find("b", "wiki", "/srv"), KeepPolicy{.daily = 7});
  EXPECT_EQ(*keep.find("a", "trac", "/srv"), (KeepPolicy{.last = 3, .yearly = 2}));
  EXPECT_EQ(*keep.find("a", "wiki", "/srv"), (KeepPolicy{.within = {30, 'd'}}));
  EXPECT_EQ(*keep.find("a", "wiki", "/srv/wi:ki"), KeepPolicy{.all = true});
  EXPECT_EQ(keep.at_most, (KeepLimit{30, 0}));
  EXPECT_EQ(parse_backline_conf("[keep a]\nlast = 3\n").keep.find("b", "wiki", "/srv"), nullptr);
  EXPECT_EQ(parse_backline_conf("[keep]\nat_most = 12\n").keep.at_most, (KeepLimit{50, 12}));
  EXPECT_EQ(parse_backline_conf("[keep]\nat_most = 12\n").keep.find("a", "b", "/c"), nullptr);
}

TEST(BacklineConf, AKeepSectionThatIsWrongIsRefused) {
  for (const char* nothing : {"[keep]\n", "[keep a]\nlast = 0\n", "[keep a:b]\ndaily = 0\n[client c]\n"})
    EXPECT_NE(refusal(nothing).find("a [keep] section without a rule"), std::string::npos) << nothing;
  EXPECT_NE(refusal("[keep a]\nat_most = 3\n").find("at_most stands in [keep] only"), std::string::npos);
  EXPECT_NE(refusal("[keep]\nat_most = 0%\n").find("is no share"), std::string::npos);
  EXPECT_NE(refusal("[keep]\nall = no\n").find("is not yes"), std::string::npos);
  EXPECT_EQ(refusal("[keep]\ndialy = 7\n"), "backline.conf:2: unknown key \"dialy\" in a [keep] section");
  EXPECT_EQ(refusal("[keep]\ndaily = many\n"), "backline.conf:2: \"many\" is no number from 0 to 10000");
  EXPECT_EQ(refusal("[keep]\nwithin = 30\n"),
            "backline.conf:2: \"30\" is no span such as 30d, 8w, 12m or 2y");
  EXPECT_EQ(refusal("[keep a:wiki:srv]\n"), "backline.conf:1: \"srv\" is no clean absolute path");
  EXPECT_EQ(refusal("[keep a:../b]\n"), "backline.conf:1: \"../b\" is no module name");
}

TEST(BacklineConf, AClientWithoutAnAgentHasPathsAndAPeriod) {
  const BacklineConf conf = parse_backline_conf(
      "[client nas]\npaths = /a /b%20c\nagent = no\nevery = 12h\n[client web1]\nagent = yes\n");
  EXPECT_FALSE(conf.find("nas")->agent);
  EXPECT_EQ(conf.find("nas")->paths, (std::vector<std::string>{"/a", "/b c"}));
  EXPECT_EQ(conf.find("nas")->every, std::chrono::hours(12));
  EXPECT_TRUE(conf.find("web1")->agent);
  const auto left_out = parse_backline_conf(
                            "[client nas]\nagent = no\npaths = /a\nexclude = *.o cache/ a%20b\n"
                            "exclude_if_present = .nobackup\nexclude_caches = yes\none_file_system = yes\n"
                            "max_file_size = 2GiB\n")
                            .find("nas")
                            ->leave_out;
  EXPECT_EQ(left_out, (pull::TreeRules{{"*.o", "cache/", "a b"}, {".nobackup"}, true, true, 2ULL << 30U}));
  for (const char* bad : {"exclude = %zz", "exclude_if_present = a/b", "exclude_caches = maybe",
                          "one_file_system = 1", "max_file_size = 0", "max_file_size = big"})
    EXPECT_NE(refusal(std::string("[client a]\nagent = no\n") + bad + "\n"), "accepted") << bad;
  EXPECT_NE(refusal("[client a]\nexclude = *.o\n").find("in backupconfig.toml"), std::string::npos);
  EXPECT_NE(refusal("[client a]\npaths = /a\n\n[client b]\n")
                .find("backline.conf:1: [client a] has paths or every"),
            std::string::npos);
  EXPECT_NE(refusal("[client a]\nevery = 1d\n").find("without agent = no"), std::string::npos);
  EXPECT_EQ(refusal("[client a]\nagent = maybe\n"), "backline.conf:2: \"maybe\" is neither yes nor no");
  for (const char* bad : {"a", "/a/../b", "/a /a", "/a%", "/a/"})
    EXPECT_NE(refusal(std::string("[client a]\nagent = no\npaths = ") + bad + "\n"), "accepted") << bad;
  for (const char* bad : {"0", "1s", "often", "-1d"})
    EXPECT_NE(refusal(std::string("[client a]\nagent = no\nevery = ") + bad + "\n"), "accepted") << bad;
}

TEST(BacklineConf, TheExampleOfTheFormatPageIsRead) {
  const std::string page = read_file(std::string(BK_SOURCE_DIR) + "/docs/formats/backline-conf.md");
  const std::size_t begin = page.find("```ini\n") + 7;
  const BacklineConf conf = parse_backline_conf(page.substr(begin, page.find("```", begin) - begin));
  ASSERT_NE(conf.find("web1"), nullptr);
  EXPECT_EQ(conf.find("web1")->address, "backupclient@web1.example.org");
  EXPECT_EQ(conf.find("db1")->concurrency, 2);
  EXPECT_EQ(conf.find("nas")->paths.back(), "/volume1/My Documents");
  const std::size_t second = page.find("```ini\n", begin) + 7;
  const KeepConf keep = parse_backline_conf(page.substr(second, page.find("```", second) - second)).keep;
  EXPECT_EQ(keep.rules.size(), 3U);
  EXPECT_EQ(keep.find("web1", "directories", "/srv/scratch")->within, (Span{7, 'd'}));
  EXPECT_EQ(keep.at_most.percent, 10);
}

TEST(BacklineConf, TheNearestExpectationCounts) {
  const auto rules = parse_backline_conf(
                         "[expect]\nevery = 1d\n[expect a:wiki]\nevery = 30m\n"
                         "[expect a:wiki:/srv/old]\nevery = never\n")
                         .expected;
  EXPECT_EQ(nearest_rule(rules, "b", "x", "/y")->every, std::chrono::hours(24));
  EXPECT_EQ(nearest_rule(rules, "a", "wiki", "/srv")->every, std::chrono::minutes(30));
  EXPECT_EQ(nearest_rule(rules, "a", "wiki", "/srv/old")->every, std::nullopt);
}

TEST(BacklineConf, AnExpectationThatMeansNothingIsRefused) {
  EXPECT_NE(refusal("[expect a]\n").find("without every"), std::string::npos);
  EXPECT_NE(refusal("[expect a]\nevery = 3s\n").find("is neither a period"), std::string::npos);
  EXPECT_NE(refusal("[expect a]\nwithin = 3d\n").find("there is every"), std::string::npos);
  EXPECT_NE(refusal("[expect a:]\nevery = 1d\n").find("is no module name"), std::string::npos);
}

}  // namespace
}  // namespace bk::server
