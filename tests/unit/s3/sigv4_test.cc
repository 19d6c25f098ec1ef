// The examples of "Signature Calculations for the Authorization Header" (Amazon S3 API reference).
#include "common/s3/sigv4.h"

#include "common/digest/hasher.h"
#include "common/text/escape.h"

#include <gtest/gtest.h>

namespace bk::s3 {
namespace {

const Credentials kExample{"AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", ""};
const Timestamp kDay{*from_utc({2013, 5, 24, 0, 0, 0}), 0};
constexpr const char* kHost = "examplebucket.s3.amazonaws.com";

std::string signature(const ToSign& request) {
  const std::string line = sign(request, kExample, "us-east-1", kDay).at("authorization");
  return line.substr(line.rfind('=') + 1);
}

TEST(SigV4, SignsGetObjectWithARange) {
  const ToSign request{"GET", kHost, "/test.txt", {}, {{"range", "bytes=0-9"}}, std::string(kEmptyPayload)};
  EXPECT_EQ(sign(request, kExample, "us-east-1", kDay).at("authorization"),
            "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,"
            "SignedHeaders=host;range;x-amz-content-sha256;x-amz-date,"
            "Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
}

TEST(SigV4, SignsPutObjectWithAKeyThatMustBeEncoded) {
  const ToSign request{
      "PUT",
      kHost,
      "/" + uri_encode("test$file.text", true),
      {},
      {{"date", "Fri, 24 May 2013 00:00:00 GMT"}, {"x-amz-storage-class", "REDUCED_REDUNDANCY"}},
      Sha256::of("Welcome to Amazon S3.").hex()};
  EXPECT_EQ(signature(request), "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd");
}

TEST(SigV4, SignsAParameterWithoutAValueAsEmpty) {
  const ToSign request{"GET", kHost, "/", {{"lifecycle", ""}}, {}, std::string(kEmptyPayload)};
  EXPECT_EQ(signature(request), "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543");
}

TEST(SigV4, SignsParametersInOrderWhateverTheirOrderWas) {
  const ToSign request{
      "GET", kHost, "/", {{"prefix", "J"}, {"max-keys", "2"}}, {}, std::string(kEmptyPayload)};
  EXPECT_EQ(signature(request), "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7");
}

TEST(SigV4, SignsAHeaderWithOneBlankWhereThereAreSeveral) {
  const auto with = [](const char* title) {
    return ToSign{"PUT", kHost, "/a", {}, {{"x-amz-meta-title", title}}, std::string(kEmptyPayload)};
  };
  EXPECT_EQ(signature(with("  two   blanks ")), signature(with("two blanks")));
  EXPECT_NE(signature(with("twoblanks")), signature(with("two blanks")));
  EXPECT_EQ(sign(with("a  b"), kExample, "us-east-1", kDay).at("x-amz-meta-title"), "a  b");
}

TEST(SigV4, SendsTheSessionTokenSigned) {
  Credentials temporary = kExample;
  temporary.session_token = "token";
  const auto headers =
      sign({"GET", kHost, "/", {}, {}, std::string(kEmptyPayload)}, temporary, "us-east-1", kDay);
  EXPECT_EQ(headers.at("x-amz-security-token"), "token");
  EXPECT_NE(headers.at("authorization").find(";x-amz-security-token,"), std::string::npos);
}

TEST(SigV4, EncodesEveryByteAndComesBack) {
  std::string all;
  for (int i = 0; i < 256; ++i) all += static_cast<char>(i);
  bool good = false;
  EXPECT_EQ(uri_decode(uri_encode(all, false), good), all);
  EXPECT_TRUE(good);
  EXPECT_EQ(uri_encode("a b/c=+~é", true), "a%20b/c%3D%2B~%C3%A9");
  EXPECT_EQ(uri_encode("a/b", false), "a%2Fb");
  for (const char* bad : {"%", "%4", "a%4", "%zz", "%4%"}) {
    (void)uri_decode(bad, good);
    EXPECT_FALSE(good) << bad;
  }
  EXPECT_EQ(uri_decode("%41", good), "A");
  EXPECT_TRUE(good);
}

TEST(Hasher, GivesTheDigestsOfTheStandards) {
  EXPECT_EQ(hex_encode(Hasher::of(HashKind::Md5, "abc")), "900150983cd24fb0d6963f7d28e17f72");
  EXPECT_EQ(hex_encode(Hasher::of(HashKind::Sha1, "abc")), "a9993e364706816aba3e25717850c26c9cd0d89d");
  EXPECT_EQ(hex_encode(Hasher::of(HashKind::Sha256, "abc")),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(hex_encode(Hasher::of(HashKind::Sha512, "abc")).substr(0, 32),
            "ddaf35a193617abacc417349ae204131");
  EXPECT_EQ(parse_hash_kind("sha-1"), HashKind::Sha1);
  EXPECT_EQ(parse_hash_kind("SHA512"), HashKind::Sha512);
  EXPECT_FALSE(parse_hash_kind("CRC32"));
  EXPECT_EQ(hex_encode(hmac_sha256_of("Jefe", "what do ya want for nothing?")),  // RFC 4231, case 2
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

}  // namespace
}  // namespace bk::s3
