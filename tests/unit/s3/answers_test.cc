// What object stores answer: listings, errors, headers, and the files that hold credentials.
#include "common/error/error.h"
#include "common/io/file.h"
#include "common/s3/fault.h"
#include "common/s3/s3.h"
#include "common/s3/xml.h"
#include "tests/support/refused.h"
#include "tests/support/temp_dir.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

namespace bk::s3 {
namespace {

using test::refused;

std::string listing(const std::string& inside) {
  return "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ListBucketResult "
         "xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Name>b</Name>" +
         inside + "</ListBucketResult>";
}
std::string contents(const std::string& key, const std::string& size = "3") {
  return "<Contents><Key>" + key +
         "</Key><LastModified>2026-01-02T03:04:05.678Z</LastModified><ETag>&quot;abc&quot;</ETag><Size>" +
         size + "</Size><StorageClass>STANDARD</StorageClass></Contents>";
}

TEST(Listing, IsReadWithItsKeysDecoded) {
  const Listing page =
      parse_listing(listing("<EncodingType>url</EncodingType><IsTruncated>true</"
                            "IsTruncated><NextContinuationToken>t+/=</NextContinuationToken>" +
                            contents("a%2Fb+c%01")));
  ASSERT_EQ(page.keys.size(), 1U);
  EXPECT_EQ(page.keys[0].key, "a/b c\x01");
  EXPECT_EQ(page.keys[0].bytes, 3U);
  EXPECT_EQ(page.keys[0].etag, "abc");
  EXPECT_EQ(to_text(page.keys[0].modified), "2026-01-02T03:04:05.678000000Z");
  EXPECT_TRUE(page.truncated);
  EXPECT_EQ(page.next_token, "t+/=");
}

TEST(Listing, OfAStoreThatDoesNotEncodeIsTakenAsItStands) {
  EXPECT_EQ(parse_listing(listing(contents("a%2Fb&amp;"))).keys[0].key, "a%2Fb&");
}

TEST(Listing, ThatIsNoneIsRefused) {
  for (const std::string& bad :
       {std::string(), std::string("<html>"), std::string("<Error><Code>x</Code></Error>"),
        listing(contents("")), listing(contents("k", "-1")), listing(contents("k", "")),
        listing("<IsTruncated>true</IsTruncated>"), listing(contents(std::string(1025, 'k'))),
        listing("<EncodingType>url</EncodingType>" + contents("%4")), listing(contents("k")) + "<more/>",
        std::string("<!DOCTYPE x [<!ENTITY a \"b\">]>") + listing("&a;")})
    (void)refused(Kind::Protocol, [&] { (void)parse_listing(bad); });
}

TEST(Listing, CannotMakeUsUseMemoryWithoutEnd) {
  std::string deep;
  for (int i = 0; i < 100; ++i) deep += "<a>";
  (void)refused(Kind::Protocol, [&] { (void)parse_listing(listing(deep)); });
  (void)refused(Kind::Protocol,
                [&] { (void)parse_listing(listing("<Name>" + std::string(20000, 'x') + "</Name>")); });
  std::string many;
  for (std::size_t i = 0; i <= kMaxListedKeys; ++i) many += contents("k");
  (void)refused(Kind::Protocol, [&] { (void)parse_listing(listing(many)); });
}

Failed failed(int status, const std::string& code) {
  Failed out;
  out.doing = "GET s3://b";
  out.status = status;
  out.fault = {code, "", ""};
  out.access_key = "KEY";
  out.region = "eu-1";
  out.endpoint = "http://h";
  out.bucket = "b";
  out.server_time = "Sat, 01 Jan 2000 00:00:00 GMT";
  return out;
}

TEST(Fault, SaysWhatToDo) {
  EXPECT_EQ(fault_error(failed(403, "SignatureDoesNotMatch")).kind(), Kind::Refused);
  EXPECT_STREQ(fault_error(failed(403, "SignatureDoesNotMatch")).what(),
               "GET s3://b: the secret key is not the one of access key \"KEY\" (SignatureDoesNotMatch)");
  EXPECT_EQ(fault_error(failed(403, "RequestTimeTooSkewed")).kind(), Kind::Config);
  EXPECT_NE(std::string(fault_error(failed(403, "RequestTimeTooSkewed")).what()).find("clock"),
            std::string::npos);
  EXPECT_EQ(fault_error(failed(404, "NoSuchBucket")).kind(), Kind::NotFound);
  EXPECT_EQ(fault_error(failed(403, "")).kind(), Kind::Refused);
  EXPECT_EQ(fault_error(failed(503, "SlowDown")).kind(), Kind::Transient);
  EXPECT_EQ(fault_error(failed(500, "")).kind(), Kind::Transient);
  Failed elsewhere = failed(400, "AuthorizationHeaderMalformed");
  elsewhere.fault.region = "eu-2";
  EXPECT_NE(std::string(fault_error(elsewhere).what()).find(", in region \"eu-2\""), std::string::npos);
}

TEST(Fault, IsReadFromWhateverCame) {
  const Fault fault =
      parse_fault("<?xml version='1.0'?><Error><Code>NoSuchKey</Code><Message>m</Message></Error>");
  EXPECT_EQ(fault.code, "NoSuchKey");
  EXPECT_EQ(parse_fault("<html><br>502").code, "");
  EXPECT_EQ(parse_fault("").code, "");
}

TEST(ObjectFacts, KnowWhetherTheEtagIsAnMd5) {
  http::Response response{200,
                          {{"etag", "\"900150983CD24FB0D6963F7D28E17F72\""},
                           {"content-length", "3"},
                           {"last-modified", "Sun, 06 Nov 1994 08:49:37 GMT"},
                           {"x-amz-meta-Who", "no"},
                           {"x-amz-meta-who", "me"},
                           {"x-amz-checksum-sha256", "abc="},
                           {"x-amz-version-id", "null"}},
                          ""};
  ObjectFacts facts = facts_of(response);
  EXPECT_EQ(facts.bytes, 3U);
  EXPECT_EQ(facts.md5(), "900150983cd24fb0d6963f7d28e17f72");
  EXPECT_EQ(facts.version, "");
  EXPECT_EQ(facts.metadata.at("who"), "me");
  EXPECT_EQ(facts.checksums.at("sha256"), "abc=");
  EXPECT_EQ(to_text(facts.modified), "1994-11-06T08:49:37.000000000Z");
  facts.encryption = "aws:kms";
  EXPECT_EQ(facts.md5(), "");
  facts.encryption = "";
  facts.etag = "900150983cd24fb0d6963f7d28e17f72-2";
  EXPECT_EQ(facts.md5(), "");
}

TEST(ObjectFacts, OfARangeAreThoseOfTheWholeObject) {
  const http::Response response{206, {{"content-range", "bytes 5-9/10"}, {"content-length", "5"}}, ""};
  EXPECT_EQ(facts_of(response).bytes, 10U);
  EXPECT_EQ(range_begin(response), 5U);
  (void)refused(Kind::Protocol, [] { (void)range_begin({206, {{"content-range", "rows 1"}}, ""}); });
}

TEST(Profile, IsReadAsTheToolsOfAwsKeepIt) {
  const Profile profile = parse_profile(
      "# c\n[default]\naws_access_key_id = A\naws_secret_access_key=B\n\n[profile "
      "other]\r\naws_access_key_id=C\r\n"
      "aws_secret_access_key = D/+=\r\naws_session_token=E\nregion = eu-1\n",
      "f", "other");
  EXPECT_EQ(profile.credentials.access_key, "C");
  EXPECT_EQ(profile.credentials.secret_key, "D/+=");
  EXPECT_EQ(profile.credentials.session_token, "E");
  EXPECT_EQ(profile.region, "eu-1");
}

TEST(Profile, ThatLacksSomethingIsRefusedWithoutShowingTheRest) {
  const std::string said = refused(
      Kind::Config, [] { (void)parse_profile("[default]\naws_secret_access_key=SECRET\n", "f", "default"); });
  EXPECT_EQ(said.find("SECRET"), std::string::npos);
  (void)refused(Kind::Config, [] { (void)parse_profile("[default]\n", "f", "backup"); });
}

TEST(Profile, ThatOthersMayReadIsRefused) {
  const test::TempDir dir;
  replace_durably(dir.file("credentials"), "[default]\naws_access_key_id=A\naws_secret_access_key=B\n", 0600);
  EXPECT_EQ(load_profile(dir.file("credentials"), "default").credentials.access_key, "A");
  for (const mode_t mode : {0644, 0640, 0604}) {
    ASSERT_EQ(::chmod(dir.file("credentials").c_str(), mode), 0);
    EXPECT_NE(
        refused(Kind::Config, [&] { (void)load_profile(dir.file("credentials"), "default"); }).find("chmod"),
        std::string::npos);
  }
}

}  // namespace
}  // namespace bk::s3
