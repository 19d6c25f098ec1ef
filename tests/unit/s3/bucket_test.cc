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
        requests.push_back(request);
        (void)::send(line.get(), text.data(), text.size(), MSG_NOSIGNAL);
      }
    });
  }
  ~Answers() { (void)::shutdown(listener_.get(), SHUT_RDWR); }
  void join() { thread_.join(); }
  Settings settings;
  std::vector<std::string> requests;
  std::vector<std::int64_t> waits;

 private:
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
