#include "server/access/key.h"

#include "common/error/error.h"
#include "server/access/authorized_keys.h"
#include "server/access/key_limits.h"

#include <gtest/gtest.h>

namespace bk::server {
namespace {

const std::string kAnn = "AAAAC3NzaC1lZDI1NTE5AAAAICU/iDvoPwEbyCB1uMfUF4XcUbpOFuAKekg8qQxd5RAx";
const std::string kBob = "AAAAC3NzaC1lZDI1NTE5AAAAINsNlfmQAtyvWcHa85DFa31JROgc6hiyvvVtXQNiaFF/";

// Public halves made by ssh-keygen; the security keys are put together from the format.
constexpr const char* kKeys[] = {
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMLFc1XP0CW131OPnrowqVHN6f2+YJDaoYvuKmk3EMMM",
    "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQCwetB0T5hfEwsJCGQp3GA9J7csrzo1Srl4au0gGnXt1pDCIsh8o9"
    "YUxwTvnao/AeeMDFsakw1/QNdwmUS3b5nP2pNThiH/tdUWeZVmIbwYt8U0ghLx+NUXGQ65ztzDd5YXFTILsDMJIwx/"
    "l2+BUBpYfZdB5+zDFMGCwypstvTluRqQBtr3akSsVckDIOqtg///ccTya4kYhC7PEECHfACLxRLot7v6ZBULJYXbeI"
    "t+vOUNPBD/B8SOJRAlB3nqJbefwPKLd4x2aOzXrKHUVNnV7tAMoYQOB49a+NYqeR25MGlfElxF9waIvpNiMAiI61Hf"
    "WyB7ktpA5w5aLC57lx+d",
    "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBJzpAT09vRrkZ5+IBZ"
    "p9bbUM3jUUmw3EoHYKM5iPruBKxkZiZ9EVAv8gwzmEmIj/hq8FGIfBRghFZGfPcKf9HHc=",
    "ecdsa-sha2-nistp384 AAAAE2VjZHNhLXNoYTItbmlzdHAzODQAAAAIbmlzdHAzODQAAABhBMIeE4wpQ22EU+bFQv"
    "7vWbq2e368cDdvuOBYtwv7+qTc0XDvvvrryq48sm9iX5nY05siCJT9a6DgvGTS22PjTLnBnnvM1azfz8LyPwX76rZH"
    "WuDZFGZ3pNUroVNSP7JRBw==",
    "ecdsa-sha2-nistp521 AAAAE2VjZHNhLXNoYTItbmlzdHA1MjEAAAAIbmlzdHA1MjEAAACFBAHVIhacufDKw4i7By"
    "/KM5rpRJ9cF4WGGddvxxaL3nWpRzYgCP6iG4vcB8KUdS84XZh0joHSy9eYdc7/48aqkr3eNwBmKU72yDVFGP+c+/66"
    "YUWoVLRCI9QZl2YTx7pHi1rAlkvnGogKwo/vkfTeq43dJD0+hBdfYXZcRzVYhbZMI58ORg==",
    "sk-ssh-ed25519@openssh.com AAAAGnNrLXNzaC1lZDI1NTE5QG9wZW5zc2guY29tAAAAIAcHBwcHBwcHBwcHBwc"
    "HBwcHBwcHBwcHBwcHBwcHBwcHAAAABHNzaDo=",
    "sk-ecdsa-sha2-nistp256@openssh.com AAAAInNrLWVjZHNhLXNoYTItbmlzdHAyNTZAb3BlbnNzaC5jb20AAAA"
    "IbmlzdHAyNTYAAABBBJzpAT09vRrkZ5+IBZp9bbUM3jUUmw3EoHYKM5iPruBKxkZiZ9EVAv8gwzmEmIj/hq8FGIfBR"
    "ghFZGfPcKf9HHcAAAAEc3NoOg=="};
constexpr const char* kShortRsa =
    "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQDqiRMyhmbAobbByTgY3rLoGMihHdpAnN1KXVygaVnczFclEmy3w5"
    "10mJxFtZkZjwaJcp5XGywa4oO7/f8YMdNUlDwOe2H2TApUmSw4uZPC+Wk+a3hNRuKlN2nh3g7XaNs5N60cqgwRlWfq"
    "gkf5hx3TfM5S2HPGr8cUt6gxIVpXgw==";

std::string refusal(const std::string& line) {
  try {
    (void)parse_user_key_line(line);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Kind::Config);
    return error.what();
  }
  return "accepted";
}

std::vector<UserKey> read(const std::vector<KeyFile>& files) {
  std::vector<std::string> warnings;
  return read_keys(files, warnings);
}

std::string files_refusal(const std::vector<KeyFile>& files) {
  try {
    (void)read(files);
  } catch (const Error& error) {
    return error.what();
  }
  return "accepted";
}

TEST(Key, ALineIsParsedDownToTypeAndData) {
  const PublicKey key = parse_key_line("ssh-ed25519 " + kAnn + " ann@laptop with \"words\"");
  EXPECT_EQ(key.type, "ssh-ed25519");
  EXPECT_EQ(key.base64, kAnn);
}

TEST(Key, LinesThatAreNoPlainKeyAreRefused) {
  EXPECT_NE(refusal("command=\"id\" ssh-ed25519 " + kAnn).find("is not allowed here"), std::string::npos);
  EXPECT_NE(refusal("ssh-dss " + kAnn).find("DSA keys are no longer taken"), std::string::npos);
  EXPECT_NE(refusal("no-pty ssh-ed25519 " + kAnn).find("\"no-pty\" is no key type"), std::string::npos);
  EXPECT_EQ(refusal("ssh-ed25519"), "the key's data is missing");
  EXPECT_EQ(refusal("ssh-ed25519 " + kAnn + "="), "the key's data is no canonical base64");
  EXPECT_EQ(refusal("ssh-ed25519 AAAA-_AA"), "the key's data is no canonical base64");
  EXPECT_EQ(refusal("ssh-rsa " + kAnn), "the key's data is not of type ssh-rsa");
  EXPECT_EQ(refusal("ssh-ed25519 " + kAnn.substr(0, 60)), "the key's data is cut short");
  EXPECT_EQ(refusal("ssh-ed25519 " + kAnn + "AAAA"), "the key's data is too long");
  EXPECT_EQ(refusal("ssh-ed25519 " + kAnn + " a\rb"), "a control byte in the line");
  EXPECT_EQ(refusal("ssh-ed25519 " + kAnn + std::string(" a\0b", 4)), "a control byte in the line");
  EXPECT_EQ(refusal(std::string(1U << 20U, 'a')), "a line longer than 16384 bytes");
}

TEST(Key, EveryTypeThatSshdTakesIsTaken) {
  for (const char* line : kKeys) {
    const PublicKey key = parse_key_line(std::string(line) + " somebody");
    EXPECT_EQ(key.type + " " + key.base64, line);
  }
}

TEST(Key, TheFingerprintIsThatOfSshKeygen) {
  EXPECT_EQ(fingerprint_of(parse_key_line(kKeys[1])), "SHA256:sIcfHrqQnyXeS2adXokYHmea5JB33vXPnJOb/MXrd+k");
  EXPECT_EQ(fingerprint_of(parse_key_line(kKeys[3])), "SHA256:SF6ggRdRfX7+EdThef799rZaAmIRZPwAzbYybhOy7UM");
  EXPECT_EQ(fingerprint_of(parse_key_line(kKeys[5])), "SHA256:BpyDHJ8Qm3F/3at6p0jNaRLMB2tszGHwTQIOkdqk9J4");
}

TEST(Key, AShortRsaKeyIsRefused) {
  EXPECT_EQ(refusal(kShortRsa),
            "an RSA key of 1024 bits; at least 2048 are needed (better: ssh-keygen -t ed25519)");
}

TEST(Key, WhatIsNoPublicKeyIsNamed) {
  EXPECT_NE(refusal("ssh-ed25519-cert-v01@openssh.com AAAA").find("a certificate"), std::string::npos);
  EXPECT_NE(refusal("-----BEGIN OPENSSH PRIVATE KEY-----").find("a PRIVATE key"), std::string::npos);
  EXPECT_NE(refusal("-----BEGIN RSA PRIVATE KEY-----").find("a PRIVATE key"), std::string::npos);
  EXPECT_NE(refusal("---- BEGIN SSH2 PUBLIC KEY ----").find("ssh-keygen -i"), std::string::npos);
}

TEST(Key, ADamagedBlobIsRefused) {
  for (const char* whole : kKeys) {
    const std::string line = whole;
    const std::size_t data = line.find(' ') + 1;
    EXPECT_NE(refusal(line.substr(0, data + (line.size() - data) / 8 * 4)), "accepted") << line;
    EXPECT_NE(refusal(line.substr(0, data) + "AAAA" + line.substr(data)), "accepted") << line;
    EXPECT_NE(refusal("ssh-rsa" + line.substr(data - 1) + "AAAA"), "accepted") << line;
  }
}

TEST(Key, LimitsBeforeTheKeyAreCarriedOver) {
  const UserKey key = parse_user_key_line(
      "from=\"10.0.0.0/8,!10.1.1.1,*.example.org,fd00::/8\",expiry-time=\"20991231\" ssh-ed25519 " + kAnn +
      " x");
  EXPECT_EQ(key.limits.from, "10.0.0.0/8,!10.1.1.1,*.example.org,fd00::/8");
  EXPECT_EQ(key.limits.expiry, "20991231");
  EXPECT_EQ(key.key.base64, kAnn);
  EXPECT_EQ(parse_user_key_line("expiry-time=\"20300101000000\" ssh-ed25519 " + kAnn).limits.expiry,
            "20300101000000");
  EXPECT_EQ(parse_user_key_line("Expiry-Time=\"209912312359Z\" ssh-ed25519 " + kAnn).limits.expiry,
            "209912312359Z");
}

TEST(Key, OtherOptionsAndBadLimitsAreRefused) {
  const std::string key = " ssh-ed25519 " + kAnn;
  for (const char* bad : {"environment=\"A=b\"",
                          "command=\"id\"",
                          "from=10.0.0.1",
                          "from=\"\"",
                          "from=\"!10.0.0.1\"",
                          "from=\"a b\"",
                          "from=\"10.0.0.0/33\"",
                          "from=\"a/8\"",
                          "from=\"a\",from=\"b\"",
                          "from=\"a\\\"b\"",
                          "from=\"a\",",
                          "from=\"a\" ,expiry-time=\"20300101\"",
                          "from=\"a\",no-pty",
                          "from=\"a",
                          "expiry-time=\"2030\"",
                          "expiry-time=\"20301301\"",
                          "expiry-time=\"203001012460\"",
                          "expiry-time=\"+1d\"",
                          "permitopen=\"x:1\",from=\"a\"",
                          "=\"a\"",
                          "cert-authority,from=\"a\""})
    EXPECT_NE(refusal(bad + key), "accepted") << bad;
}

TEST(Key, AnExpiredKeyIsKnown) {
  EXPECT_TRUE(is_expired({"", "20200101"}, "20200102000000"));
  EXPECT_FALSE(is_expired({"", "20200101"}, "20200101000000"));
  EXPECT_TRUE(is_expired({"", "202001011200Z"}, "20200101120001"));
  EXPECT_FALSE(is_expired({"", ""}, "99990101000000"));
}

TEST(Key, TheSameKeyTwiceWithDifferentLimitsIsRefused) {
  EXPECT_EQ(files_refusal({{"ann.pub", "ssh-ed25519 " + kAnn + "\nfrom=\"a\" ssh-ed25519 " + kAnn + "\n"}}),
            "keydir/ann.pub: the same key twice, with different options");
  EXPECT_EQ(read({{"ann.pub", "ssh-ed25519 " + kAnn + " x\nssh-ed25519 " + kAnn + " y\n"}}).size(), 1U);
}

TEST(Key, AFileMayHoldSeveralKeysAndComments) {
  EXPECT_EQ(read({{"ann.pub", "# mine\r\nssh-ed25519 " + kAnn + "\r\n\nssh-ed25519 " + kBob}}).size(), 2U);
}

TEST(Key, UserNamesAreMatchedInFull) {
  for (const char* name : {"alice\n.pub", "-x.pub", "a b.pub", "a\".pub", "@x.pub"})
    EXPECT_NE(files_refusal({{name, "ssh-ed25519 " + kAnn}}).find("is no user name"), std::string::npos)
        << name;
}

TEST(Key, OtherFilesAreSkippedWithAWarning) {
  std::vector<std::string> warnings;
  EXPECT_TRUE(read_keys({{".hidden.pub", "x"}, {"README", "x"}}, warnings).empty());
  EXPECT_EQ(warnings.size(), 2U);
}

TEST(Key, OneKeyUnderTwoUsersIsRefused) {
  EXPECT_EQ(files_refusal({{"ann.pub", "ssh-ed25519 " + kAnn}, {"bob.pub", "ssh-ed25519 " + kAnn + " x"}}),
            "keydir: the same key under two users, \"ann\" and \"bob\"");
}

TEST(Key, ABadLineIsNamedWithItsFile) {
  EXPECT_EQ(files_refusal({{"ann.pub", "ssh-ed25519 " + kAnn + "\nssh-ed25519\n"}}),
            "keydir/ann.pub:2: the key's data is missing");
}

TEST(AuthorizedKeys, ForeignLinesStayInOrderAndGeneratedOnesGo) {
  const std::string old =
      "# mine\nssh-ed25519 AAAA me\n### autogenerated by gitosis, DO NOT EDIT\n"
      "command=\"/x/gitosis-serve bob\",no-port-forwarding,no-X11-forwarding,no-agent-forwarding,no-pty "
      "ssh-rsa AAAA\n"
      "restrict,command=\"/old/bk_access --home /h serve gone\" ssh-rsa AAAA\nlast one";
  EXPECT_EQ(render_authorized_keys(old, "/opt/bk_access", "/home/b", {{"ann", {"ssh-ed25519", kAnn}, {}}}),
            "# mine\nssh-ed25519 AAAA me\nlast one\n### autogenerated by backline, DO NOT EDIT\n"
            "restrict,command=\"/opt/bk_access --home /home/b serve ann\" ssh-ed25519 " +
                kAnn + "\n");
}

TEST(AuthorizedKeys, LimitsStandBehindTheCommand) {
  const std::vector<UserKey> keys{{"ann", {"ssh-ed25519", kAnn}, {"10.0.0.1", "20300101"}}};
  EXPECT_NE(render_authorized_keys("", "/o/bk_access", "/h", keys)
                .find("restrict,command=\"/o/bk_access --home /h serve "
                      "ann\",from=\"10.0.0.1\",expiry-time=\"20300101\" "
                      "ssh-ed25519 "),
            std::string::npos);
}

TEST(AuthorizedKeys, WhoLosesAKeyOrGetsOtherLimitsIsKnown) {
  const UserKey ann{"ann", {"ssh-ed25519", kAnn}, {}}, bob{"bob", {"ssh-ed25519", kBob}, {}};
  UserKey narrow = bob;
  narrow.limits.from = "10.0.0.1";
  const auto file = [](const std::vector<UserKey>& keys, const char* program = "/o/bk_access") {
    return render_authorized_keys("ssh-ed25519 AAAA foreign\n", program, "/h", keys);
  };
  const auto losers = [&](const std::string& before, const std::string& after) {
    std::string out;
    for (const std::string& user : users_who_lose_keys(before, after)) out += user + " ";
    return out;
  };
  EXPECT_EQ(losers("", file({ann})), "");
  EXPECT_EQ(losers(file({ann}), file({ann, bob})), "");
  EXPECT_EQ(losers(file({ann, bob}), file({ann})), "bob ");
  EXPECT_EQ(losers(file({ann, bob}), file({ann, narrow})), "bob ");
  EXPECT_EQ(losers(file({ann}), file({{"ann", bob.key, {}}})), "ann ");
  EXPECT_EQ(losers(file({ann}), file({ann}, "/new/bk_access")), "") << "an upgrade ends no session";
}

TEST(AuthorizedKeys, WritingTwiceChangesNothing) {
  const std::vector<UserKey> keys{{"ann", {"ssh-ed25519", kAnn}, {}}};
  const std::string once = render_authorized_keys("x\n", "/o/bk_access", "/h", keys);
  EXPECT_EQ(render_authorized_keys(once, "/o/bk_access", "/h", keys), once);
}

TEST(AuthorizedKeys, AHomeWithASpaceIsQuotedAndOneWithAQuoteIsRefused) {
  const std::vector<UserKey> keys{{"ann", {"ssh-ed25519", kAnn}, {}}};
  EXPECT_NE(render_authorized_keys("", "/o/bk_access", "/a b", keys).find("--home '/a b' serve ann"),
            std::string::npos);
  EXPECT_THROW((void)render_authorized_keys("", "/o/bk_access", "/a'b", keys), Error);
  EXPECT_THROW((void)render_authorized_keys("", "/o/bk_access", "/a\nb", keys), Error);
}

}  // namespace
}  // namespace bk::server
