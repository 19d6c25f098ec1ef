#include "common/error/error.h"
#include "common/ssh/ssh.h"

#include <gtest/gtest.h>

namespace bk::ssh {
namespace {

TEST(SshAddress, UrlGivesUserHostPortAndPath) {
  const Address a = parse_url("ssh://backupsrv@backup.example.org:2222/web1.git");
  EXPECT_EQ(a.user, "backupsrv");
  EXPECT_EQ(a.host, "backup.example.org");
  EXPECT_EQ(a.port, 2222);
  EXPECT_EQ(a.path, "/web1.git");
}

TEST(SshAddress, PortIs22WhenNoneIsGiven) {
  EXPECT_EQ(parse_url("ssh://a@h/r.git").port, 22);
  EXPECT_EQ(parse_address("a@h").port, 22);
}

TEST(SshAddress, Ipv6StandsInBrackets) {
  EXPECT_EQ(parse_address("root@[::1]:2200").host, "::1");
  EXPECT_EQ(parse_address("root@[::1]:2200").port, 2200);
  EXPECT_EQ(parse_url("ssh://a@[fe80::1]/r.git").host, "fe80::1");
}

TEST(SshAddress, WhatCouldBecomeAnOptionOrAnotherWordIsRefused) {
  for (const char* url : {"ssh://-oProxyCommand=x@h/r",
                          "ssh://a@-oProxyCommand=x/r",
                          "ssh://a@h/-r",
                          "ssh://-v@h/r",
                          "ssh://a@-v/r",
                          "ssh://a@h/../r",
                          "ssh://a@h/",
                          "ssh://a@h",
                          "ssh://h/r",
                          "http://a@h/r",
                          "ssh://a@h:0/r",
                          "ssh://a@h:65536/r",
                          "ssh://a@h:022/r",
                          "ssh://a@h:/r",
                          "ssh://a b@h/r",
                          "ssh://a@h/r'x",
                          "ssh://a@h/r\n",
                          "ssh://a@h//r",
                          "ssh://a@h/r/",
                          "ssh://a@[::1/r",
                          "ssh://a@[xyz]/r",
                          "ssh://a@[::1]x/r",
                          "ssh://a@[1..]/r",
                          "ssh://a@[::1..]/r",
                          "ssh://a@[::::]/r",
                          "ssh://a@[12345::]/r",
                          "ssh://a:pw@h/r",
                          "ssh://a@h..x/r",
                          ""})
    EXPECT_THROW((void)parse_url(url), Error) << url;
  for (const char* text : {"h", "@h", "a@", "a@h:", "a@h:x", "A@h", "a@h/x", "a@h;x", "a@ h", "a@::1"})
    EXPECT_THROW((void)parse_address(text), Error) << text;
}

}  // namespace
}  // namespace bk::ssh
