// Buckets of a real object store, and a server that cuts its answers.
#include "common/digest/hasher.h"
#include "common/error/error.h"
#include "common/s3/s3.h"
#include "common/text/escape.h"
#include "tests/support/refused.h"
#include "tests/support/services/swift.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <thread>

namespace bk::s3 {
namespace {

using test::refused;

const SystemClock kClock;

// A clock that goes wrong by a span.
class Shifted final : public Clock {
 public:
  explicit Shifted(std::chrono::seconds by) : by_(by) {}
  [[nodiscard]] Timestamp now() const override { return kClock.now().plus(by_); }

 private:
  std::chrono::seconds by_;
};

std::string content_of(Bucket& bucket, const std::string& key, const Get& what = {}) {
  std::string out;
  if (!bucket.get(key, what, [&](std::string_view bytes) { out += bytes; })) return "<none>";
  return out;
}

std::vector<std::string> keys_of(Bucket& bucket, const std::string& prefix) {
  std::vector<std::string> out;
  bucket.list(prefix, [&](const ListedKey& key) {
    out.push_back(key.key);
    return true;
  });
  return out;
}

void check_content(Bucket& bucket) {
  std::string large;
  while (large.size() < 3'000'000) large += "0123456789abcdef" + std::to_string(large.size());
  const std::string etag = bucket.put(
      "dir/large file", large, {"text/x-test", {{"x-amz-meta-who", "me"}, {"content-encoding", "x-none"}}});
  const std::optional<ObjectFacts> facts = bucket.head("dir/large file");
  ASSERT_TRUE(facts);
  EXPECT_EQ(facts->bytes, large.size());
  EXPECT_EQ(facts->etag, etag);
  EXPECT_EQ(facts->md5(), hex_encode(Hasher::of(HashKind::Md5, large)));
  EXPECT_EQ(facts->content_type, "text/x-test");
  EXPECT_EQ(facts->content_encoding, "x-none");
  EXPECT_EQ(facts->metadata.at("who"), "me");
  EXPECT_EQ(content_of(bucket, "dir/large file"), large);
  EXPECT_EQ(content_of(bucket, "dir/large file", {2'999'000, etag, {}}), large.substr(2'999'000));
  EXPECT_EQ(content_of(bucket, "dir/large file", {0, "0123456789abcdef0123456789abcdef", {}}), "<none>");
  EXPECT_EQ(content_of(bucket, "absent"), "<none>");
  EXPECT_FALSE(bucket.head("absent"));
  EXPECT_THROW(bucket.get("dir/large file", {}, [](std::string_view) { throw Error(Kind::Io, "disk full"); }),
               Error);
}

void check_keys(Bucket& bucket) {
  std::vector<std::string> keys;
  for (const std::string& end : {std::string("a//b"), std::string("../x"), std::string("weird ü +&%?=.txt"),
                                 std::string("trailing/"), std::string("100%25"), std::string(1000, 'k')})
    keys.push_back("odd/" + end);
  std::sort(keys.begin(), keys.end());
  for (const std::string& key : keys) (void)bucket.put(key, key);
  EXPECT_EQ(keys_of(bucket, "odd/"), keys);
  for (const std::string& key : keys) EXPECT_EQ(content_of(bucket, key), key);
  const Listing page = bucket.list_page("odd/", "", 2);
  ASSERT_EQ(page.keys.size(), 2U);
  ASSERT_TRUE(page.truncated);
  EXPECT_EQ(bucket.list_page("odd/", page.next_token, 2).keys.at(0).key, keys[2]);
  bucket.remove(keys[0]);
  bucket.remove(keys[0]);
  EXPECT_EQ(keys_of(bucket, "odd/").size(), keys.size() - 1);
}

std::string numbered(std::size_t bytes) {
  std::string out;
  while (out.size() < bytes) out += "0123456789abcdef" + std::to_string(out.size());
  out.resize(bytes);
  return out;
}

Bucket::ReadAt reader(const std::string& text) {
  return [&text](std::uint64_t offset, char* into, std::size_t size) {
    return text.copy(into, size, static_cast<std::size_t>(offset));
  };
}

void check_parts(const test::Swift& swift) {
  Settings settings = swift.settings("bucket-1");
  settings.part_bytes = 1U << 20U;
  Bucket bucket(settings, kClock);
  for (const std::size_t bytes : {std::size_t{2'500'000}, std::size_t{2U << 20U}, std::size_t{1U << 20U}}) {
    const std::string content = numbered(bytes);
    const std::string key = "parts/ü " + std::to_string(bytes);
    const std::string etag =
        bucket.put(key, bytes, reader(content),
                   {"text/x-test", {{"x-amz-meta-who", "me"}, {"cache-control", "no-store"}}});
    EXPECT_EQ(etag, bucket.etag_of(bytes, reader(content)));
    EXPECT_EQ(etag.ends_with(bytes == 2'500'000 ? "-3" : "-2"), bytes > settings.part_bytes) << etag;
    const std::optional<ObjectFacts> facts = bucket.head(key);
    ASSERT_TRUE(facts);
    EXPECT_EQ(facts->bytes, bytes);
    EXPECT_EQ(facts->etag, etag);
    EXPECT_EQ(facts->content_type, "text/x-test");
    EXPECT_EQ(facts->cache_control, "no-store");
    EXPECT_EQ(facts->metadata.at("who"), "me");
    EXPECT_EQ(content_of(bucket, key), content);
  }
  EXPECT_EQ(bucket.etag_of(0, reader("")), hex_encode(Hasher::of(HashKind::Md5, "")));
}

void check_refusals(const test::Swift& swift) {
  Settings wrong = swift.settings("bucket-1");
  wrong.credentials.secret_key = "wrong";
  EXPECT_NE(refused(Kind::Refused, [&] { (void)Bucket(wrong, kClock).list_page("", ""); }).find("secret key"),
            std::string::npos);
  wrong = swift.settings("bucket-1");
  wrong.credentials.access_key = "test:nobody";
  (void)refused(Kind::Refused, [&] { (void)Bucket(wrong, kClock).list_page("", ""); });
  const std::string none = refused(
      Kind::NotFound, [&] { (void)Bucket(swift.settings("no-such-bucket"), kClock).list_page("", ""); });
  EXPECT_NE(none.find("no bucket \"no-such-bucket\""), std::string::npos) << none;
  const Shifted late(std::chrono::hours(2));
  const std::string clock =
      refused(Kind::Config, [&] { (void)Bucket(swift.settings("bucket-1"), late).list_page("", ""); });
  EXPECT_NE(clock.find("clock"), std::string::npos) << clock;
  Settings nobody = swift.settings("bucket-1");
  nobody.endpoint = "http://127.0.0.1:1";
  (void)refused(Kind::Transient, [&] { (void)Bucket(nobody, kClock).list_page("", ""); });
}

TEST(Bucket, OfARealStoreListsServesAndRefuses) {
  const test::Swift swift(true);
  if (!swift.why_not().empty()) GTEST_SKIP() << swift.why_not();
  Bucket bucket(swift.settings("bucket-1"), kClock);
  EXPECT_TRUE(bucket.make());
  check_content(bucket);
  check_keys(bucket);
  check_parts(swift);
  check_refusals(swift);
  Settings unknown = swift.settings("bucket-1");
  unknown.ca_file.clear();
  (void)refused(Kind::Refused, [&] { (void)Bucket(unknown, kClock).list_page("", ""); });
}

// Answers each connection with the next text, then closes it: what no real store does when asked to.
class Answers {
 public:
  explicit Answers(std::vector<std::string> texts)
      : listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    check_sys(::bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), size), [] { return "bind"; });
    check_sys(::listen(listener_.get(), 8), [] { return "listen"; });
    check_sys(::getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address), &size),
              [] { return "name"; });
    settings.endpoint = "http://127.0.0.1:" + std::to_string(ntohs(address.sin_port));
    settings.bucket = "bucket";
    settings.credentials = {"A", "B", ""};
    settings.credentials_file = "/home/b/keys";
    settings.attempts = 3;
    settings.first_wait = std::chrono::milliseconds(1);
    settings.sleep = [this](std::chrono::milliseconds span) { waits.push_back(span.count()); };
    thread_ = std::jthread([this, texts = std::move(texts)] {
      for (const std::string& text : texts) {
        const Fd line(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
        if (!line) return;
        std::string request;
        char buffer[4096];
        while (request.find("\r\n\r\n") == std::string::npos) {
          const ssize_t got = ::read(line.get(), buffer, sizeof buffer);
          if (got <= 0) break;
          request.append(buffer, static_cast<std::size_t>(got));
        }
        while (request.size() < request.find("\r\n\r\n") + 4 + length_of(request)) {
          const ssize_t got = ::read(line.get(), buffer, sizeof buffer);
          if (got <= 0) break;
          request.append(buffer, static_cast<std::size_t>(got));
        }
        requests.push_back(request);
        (void)::send(line.get(), text.data(), text.size(), MSG_NOSIGNAL);
        if (text.ends_with(kThenSilence)) (void)::read(line.get(), buffer, sizeof buffer);
      }
    });
  }
  static constexpr std::string_view kThenSilence = "...";
  ~Answers() { (void)::shutdown(listener_.get(), SHUT_RDWR); }
  void join() { thread_.join(); }
  Settings settings;
  std::vector<std::string> requests;
  std::vector<std::int64_t> waits;

 private:
  static std::size_t length_of(const std::string& request) {
    const std::size_t at = request.find("Content-Length: ");
    return at == std::string::npos ? 0 : std::stoul(request.substr(at + 16));
  }
  Fd listener_;
  std::jthread thread_;
};

std::string answer(const std::string& status, const std::string& headers, const std::string& body) {
  return "HTTP/1.1 " + status + "\r\n" + headers + "Connection: close\r\n\r\n" + body;
}

TEST(Bucket, GoesOnWhereAnAnswerWasCut) {
  Answers store(
      {answer("200 OK", "ETag: \"e\"\r\nContent-Length: 10\r\n", "01234"),
       answer("503 Slow", "Content-Length: 0\r\n", ""),
       answer("206 Partial", "ETag: \"e\"\r\nContent-Length: 5\r\nContent-Range: bytes 5-9/10\r\n", "567"),
       answer("206 Partial", "ETag: \"e\"\r\nContent-Length: 2\r\nContent-Range: bytes 8-9/10\r\n", "89")});
  Bucket bucket(store.settings, kClock);
  EXPECT_EQ(content_of(bucket, "k"), "0123456789");
  store.join();
  EXPECT_NE(store.requests[2].find("range: bytes=5-"), std::string::npos);
  EXPECT_NE(store.requests[3].find("range: bytes=8-"), std::string::npos);
  EXPECT_NE(store.requests[3].find("if-match: \"e\""), std::string::npos);
}

TEST(Bucket, NeverMixesTwoVersionsOfAnObject) {
  Answers store({answer("200 OK", "ETag: \"e\"\r\nContent-Length: 10\r\n", "01234"),
                 answer("412 Changed", "Content-Length: 0\r\n", "")});
  Bucket bucket(store.settings, kClock);
  EXPECT_EQ(content_of(bucket, "k"), "<none>");
}

TEST(Bucket, WaitsLongerEachTimeAndGivesUp) {
  const std::string busy = answer("503 Slow", "Content-Length: 0\r\n", "");
  Answers store({busy, busy, busy});
  Bucket bucket(store.settings, kClock);
  (void)refused(Kind::Transient, [&] { (void)bucket.head("k"); });
  EXPECT_EQ(store.waits, (std::vector<std::int64_t>{1, 2}));
}

TEST(Bucket, TakesNoAnswerBeyondItsLimits) {
  Answers store({answer("404 None", "Content-Length: 1000000\r\n", std::string(1'000'000, 'x')),
                 answer("200 OK", "X-Long: " + std::string(400'000, 'x') + "\r\nContent-Length: 0\r\n", "")});
  Bucket bucket(store.settings, kClock);
  (void)refused(Kind::Protocol, [&] { (void)bucket.get("k", {}, [](std::string_view) {}); });
}

TEST(Bucket, LeavesAStoreThatIsSilentInMidAnswer) {
  Answers store({answer("200 OK", "ETag: \"e\"\r\nContent-Length: 10\r\n", "01...")});
  store.settings.limits.stall = std::chrono::seconds(1);
  store.settings.attempts = 1;
  Bucket bucket(store.settings, kClock);
  (void)refused(Kind::Transient, [&] { (void)content_of(bucket, "k"); });
}

TEST(Bucket, FollowsNoRedirectAndSaysWhereTheBucketIs) {
  Answers store({answer("301 Moved", "Location: http://127.0.0.1:1/\r\nx-amz-bucket-region: eu-2\r\n",
                        "<Error><Code>PermanentRedirect</Code></Error>")});
  Bucket bucket(store.settings, kClock);
  const std::string said = refused(Kind::Config, [&] { (void)bucket.list_page("", ""); });
  EXPECT_NE(said.find("lies elsewhere, in region \"eu-2\": correct region and endpoint"), std::string::npos)
      << said;
  EXPECT_EQ(store.requests.size(), 1U);
}

TEST(Bucket, SaysWhereAWrongKeyStands) {
  Answers store({answer("403 No", "", "<Error><Code>InvalidAccessKeyId</Code></Error>"),
                 answer("403 No", "", "<Error><Code>AccessDenied</Code></Error>")});
  Bucket bucket(store.settings, kClock);
  const std::string said = refused(Kind::Refused, [&] { (void)bucket.list_page("", ""); });
  EXPECT_NE(said.find("does not know access key \"A\", from \"/home/b/keys\""), std::string::npos) << said;
  EXPECT_NE(refused(Kind::Refused, [&] { (void)bucket.put("k", "x"); }).find("needs s3:PutObject"),
            std::string::npos);
}

// It is signed, so it has to be sent: metadata may be empty.
TEST(Bucket, SendsAHeaderWithoutAValueAndNoneThatHoldsALine) {
  Answers store({answer("200 OK", "Content-Length: 0\r\n", "")});
  Bucket bucket(store.settings, kClock);
  (void)refused(Kind::Corrupt, [&] { (void)bucket.put("k", "x", {"", {{"x-amz-meta-a", "b\r\nc: d"}}}); });
  (void)bucket.put("k", "x", {"", {{"x-amz-meta-empty", ""}}});
  store.join();
  EXPECT_NE(store.requests.at(0).find("\r\nx-amz-meta-empty:"), std::string::npos) << store.requests.at(0);
}

TEST(Bucket, NoticesThatSomethingElseArrivedThanWasSent) {
  Answers store({answer("200 OK", "ETag: \"900150983cd24fb0d6963f7d28e17f72\"\r\nContent-Length: 0\r\n", ""),
                 answer("200 OK",
                        "ETag: \"900150983cd24fb0d6963f7d28e17f72\"\r\nx-amz-server-side-encryption: "
                        "aws:kms\r\nContent-Length: 0\r\n",
                        "")});
  Bucket bucket(store.settings, kClock);
  EXPECT_NE(refused(Kind::Corrupt, [&] { (void)bucket.put("k", "abd"); }).find("did not arrive as it is"),
            std::string::npos);
  (void)bucket.put("k", "abd");
}

constexpr const char* kUploadId =
    "<InitiateMultipartUploadResult><UploadId>u1</UploadId></InitiateMultipartUploadResult>";

std::string part_answer(std::string_view bytes) {
  return answer("200 OK",
                "Content-Length: 0\r\nETag: \"" + hex_encode(Hasher::of(HashKind::Md5, bytes)) + "\"\r\n",
                "");
}

TEST(Bucket, GivesUpAnUploadWhosePartCannotBePut) {
  const std::string busy = answer("503 Slow", "Content-Length: 0\r\n", "");
  Answers store(
      {answer("200 OK", "", kUploadId), part_answer("abcd"), busy, busy, busy, answer("204 Gone", "", "")});
  store.settings.part_bytes = 4;
  Bucket bucket(store.settings, kClock);
  (void)refused(Kind::Transient, [&] { (void)bucket.put("k", "abcdefgh"); });
  store.join();
  EXPECT_TRUE(store.requests.at(2).starts_with("PUT /bucket/k?partNumber=2&uploadId=u1 "));
  EXPECT_TRUE(store.requests.at(5).starts_with("DELETE /bucket/k?uploadId=u1 "));
}

TEST(Bucket, KnowsAnUploadWhoseLastAnswerWasLostAndOneThatFailedAsASuccess) {
  const std::string gone = answer("404 None", "", "<Error><Code>NoSuchUpload</Code></Error>");
  const std::string digests = Hasher::of(HashKind::Md5, "abcd") + Hasher::of(HashKind::Md5, "ef");
  const std::string etag = hex_encode(Hasher::of(HashKind::Md5, digests)) + "-2";
  Answers store({answer("200 OK", "", kUploadId), part_answer("abcd"), part_answer("ef"), "", gone,
                 answer("200 OK", "Content-Length: 6\r\nETag: \"" + etag + "\"\r\n", ""),
                 answer("200 OK", "", kUploadId), part_answer("abcd"), part_answer("ef"),
                 answer("200 OK", "", "<Error><Code>InternalError</Code><Message>m</Message></Error>"),
                 answer("204 Gone", "", "")});
  store.settings.part_bytes = 4;
  Bucket bucket(store.settings, kClock);
  EXPECT_EQ(bucket.put("k", "abcdef"), etag);
  (void)refused(Kind::Transient, [&] { (void)bucket.put("k", "abcdef"); });
}

TEST(Bucket, SaysWhatIsWrongWithItsSettings) {
  for (const char* endpoint : {"host", "ftp://host", "https://", "https://u@host", "https://host/path"}) {
    Settings settings;
    settings.bucket = "bucket";
    settings.endpoint = endpoint;
    (void)refused(Kind::Config, [&] { const Bucket bucket(settings, kClock); });
  }
  Settings settings;
  settings.bucket = "a/b";
  (void)refused(Kind::Config, [&] { const Bucket bucket(settings, kClock); });
}

}  // namespace
}  // namespace bk::s3
