#include "common/text/document.h"

#include "common/error/error.h"
#include "proto/receipt/receipt.h"
#include "proto/request/request.h"

#include <gtest/gtest.h>

namespace bk {
namespace {

proto::Request sample() {
  proto::Request r;
  r.id = "0123456789abcdef0123456789abcdef";
  r.counter = 7;
  r.client = "web1";
  r.module = "wiki";
  r.name = "/srv/caf\xc3\xa9 old\nname%";
  r.method = "sftp";
  r.place = "/var/backupclient/tmp/x";
  r.requested = {1783000000, 123456789};
  r.prepared = Timestamp{1783000001, 0};
  r.archive_bytes = 42;
  r.archive_sha256 = std::string(64, 'a');
  return r;
}

TEST(Document, WhatIsWrittenParsesToTheSame) {
  EXPECT_EQ(proto::parse_request(proto::write_request(sample())), sample());
}

TEST(Document, OneChangedByteIsNoticed) {
  const std::string text = proto::write_request(sample());
  for (std::size_t i = 0; i < text.size(); ++i) {
    std::string bad = text;
    bad[i] = static_cast<char>(bad[i] ^ 1);
    EXPECT_THROW((void)proto::parse_request(bad), Error) << i;
  }
  for (std::size_t n = 0; n < text.size(); ++n)
    EXPECT_THROW((void)proto::parse_request(text.substr(0, n)), Error) << n;
}

TEST(Request, UnsafePathsAndNamesAreRefused) {
  for (const char* name : {"relative", "/a/../b", "/a//b", "/a/", "", "/a/./b"}) {
    proto::Request r = sample();
    r.name = name;
    EXPECT_THROW((void)proto::parse_request(proto::write_request(r)), Error) << name;
  }
  for (const char* module : {"-x", "a b", "a/b", "a..b", ".a"}) {
    proto::Request r = sample();
    r.module = module;
    EXPECT_THROW((void)proto::parse_request(proto::write_request(r)), Error) << module;
  }
}

// Where the server connects to is its own configuration: a place is a path, whatever it looks like.
TEST(Request, APlaceNamesNoHost) {
  for (const char* place :
       {"ssh://h/a", "h:/a", "u@h:/a", "//h/a", "http://169.254.169.254/", "-oProxyCommand=x", "[::1]:/a"}) {
    proto::Request r = sample();
    r.place = place;
    EXPECT_THROW((void)proto::parse_request(proto::write_request(r)), Error) << place;
  }
}

TEST(Request, LongNamesUseADigestInTheFileName) {
  const std::string path = "/" + std::string(300, 'x');
  const std::string stem = proto::request_stem("directories", path);
  EXPECT_LE(stem.size() + 34, 255U);
  ASSERT_TRUE(proto::parse_state_name("C" + stem));
  EXPECT_EQ(proto::parse_state_name("F" + stem + "." + sample().id)->id, sample().id);
  EXPECT_EQ(proto::parse_state_name("RQ" + proto::request_stem("git", "/a"))->state, "RQ");
  EXPECT_FALSE(proto::parse_state_name(".lock"));
  EXPECT_FALSE(proto::parse_state_name("Cgit:!!"));
}

TEST(Receipt, WhatIsWrittenParsesToTheSame) {
  proto::Receipt r;
  r.id = sample().id;
  r.outcome = proto::Outcome::Partial;
  r.time = {1783000000, 5};
  r.reason = "1 entry skipped";
  r.status = 3;
  r.snapshot = std::string(64, 'b');
  r.files = 3;
  r.skipped_count = 1;
  r.skipped = {"unreadable /etc/x"};
  EXPECT_EQ(proto::parse_receipt(proto::write_receipt(r)), r);
}

}  // namespace
}  // namespace bk
