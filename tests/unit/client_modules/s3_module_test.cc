// Module s3 against a real object store: what is saved, what is not fetched again, what a cut leaves.
#include "client/modules/key_path.h"
#include "client/modules/mirror.h"
#include "client/modules/s3_source.h"
#include "client/request/spool_place.h"
#include "common/error/error.h"
#include "common/io/file.h"
#include "common/process/process.h"
#include "common/text/escape.h"
#include "tests/support/services/swift.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <csignal>

namespace bk::client {
namespace {

const SystemClock kClock;

TEST(KeyPath, SpellsEveryKeyAndComesBack) {
  const std::string all_of_one(1024, '%');
  const std::pair<std::string, std::string> cases[] = {
      {"a", "a"},           {"photos/2020/a b.jpg", "photos/2020/a b.jpg"},
      {"a//b", "a/%-/b"},   {"/a", "%-/a"},
      {"a/", "a/%-"},       {"/", "%-/%-"},
      {"../x", "%2E%2E/x"}, {"./..", "%2E/%2E%2E"},
      {"%", "%25"},         {"a%-", "a%25-"},
      {"n\n", "n%0A"},      {std::string("z\0z", 3), "z%00z"},
      {"...", "..."},       {"ü", "ü"}};
  for (const auto& [key, path] : cases) {
    EXPECT_EQ(path_of_key(key), path);
    EXPECT_EQ(key_of_path(path), key);
  }
  EXPECT_EQ(key_of_path("a/%"), "a");
  for (const std::string& key :
       {std::string(1024, 'k'), std::string(1024, '/'), all_of_one, std::string(700, '\x01')}) {
    const std::string path = path_of_key(key);
    EXPECT_EQ(key_of_path(path), key);
    for (std::size_t at = 0; at < path.size(); at = path.find('/', at) + 1) {
      const std::size_t end = std::min(path.find('/', at), path.size());
      EXPECT_GT(end, at);
      EXPECT_LE(end - at, 255U);
      if (end == path.size()) break;
    }
  }
  EXPECT_FALSE(key_of_path("a%zz"));
}

class Home {
 public:
  explicit Home(const test::Swift& swift, const std::string& name)
      : settings_(swift.settings(name)), bucket(settings_, kClock) {
    EXPECT_TRUE(bucket.make());
    source.settings = settings_;
    source.parallel = 3;
  }
  S3Report save() {
    Mirror mirror(run_);
    const S3Report report = save_bucket(source, mirror, kClock);
    data = mirror.commit();
    return report;
  }
  [[nodiscard]] std::string read(const std::string& path) const {
    return read_file(data + "/objects/" + path);
  }
  [[nodiscard]] bool has(const std::string& path) const { return path_exists(data + "/objects/" + path); }

 private:
  test::TempDir dir_{test::TempDir::fast()};
  s3::Settings settings_;

 public:
  client::Run run_{dir_.path(), "main", "", "s3", "/etc/bucket.toml"};
  s3::Bucket bucket;
  S3Source source;
  std::string data;
};

void check_what_changes(const test::Swift& swift) {
  Home home(swift, "changes");
  for (int i = 0; i < 30; ++i)
    (void)home.bucket.put("d/" + std::to_string(i), "content " + std::to_string(i));
  (void)home.bucket.put("../x", "up");
  (void)home.bucket.put("a//b", "empty part");
  S3Report report = home.save();
  EXPECT_EQ(report.fetched, 32U);
  EXPECT_EQ(home.read("%2E%2E/x"), "up");
  EXPECT_EQ(home.read("a/%-/b"), "empty part");
  const std::string list = read_file(home.data + "/objects.jsonl");
  EXPECT_NE(list.find("{\"file\":\"d/7\",\"key\":\"d/7\",\"bytes\":9,"), std::string::npos)
      << list.substr(0, 500);
  struct stat before {};
  ASSERT_EQ(::lstat((home.data + "/objects/d/7").c_str(), &before), 0);

  report = home.save();
  EXPECT_EQ(report.unchanged, 32U);
  EXPECT_EQ(report.fetched, 0U);
  struct stat after {};
  ASSERT_EQ(::lstat((home.data + "/objects/d/7").c_str(), &after), 0);
  EXPECT_EQ(after.st_ino, before.st_ino);
  EXPECT_EQ(after.st_ctim.tv_nsec, before.st_ctim.tv_nsec);

  (void)home.bucket.put("d/7", "another");
  home.bucket.remove("d/8");
  home.bucket.remove("../x");
  report = home.save();
  EXPECT_EQ(report.fetched, 1U);
  EXPECT_EQ(report.removed, 2U);
  EXPECT_EQ(home.read("d/7"), "another");
  EXPECT_FALSE(home.has("d/8"));
  EXPECT_FALSE(home.has("%2E%2E"));
  EXPECT_EQ(read_file(home.data + "/objects.jsonl").find("d/8"), std::string::npos);
}

void check_keys_that_are_folders(const test::Swift& swift) {
  Home home(swift, "folders");
  (void)home.bucket.put("a", "file");
  (void)home.save();
  EXPECT_EQ(home.read("a"), "file");
  (void)home.bucket.put("a/b", "below");
  EXPECT_EQ(home.save().fetched, 1U);
  EXPECT_EQ(home.read("a/%"), "file");
  EXPECT_EQ(home.read("a/b"), "below");
  (void)home.bucket.put("a", "changed");
  (void)home.save();
  EXPECT_EQ(home.read("a/%"), "changed");
  home.bucket.remove("a/b");
  (void)home.save();
  EXPECT_EQ(home.read("a/%"), "changed");
  EXPECT_EQ(home.save().unchanged, 1U);
}

void check_cuts(const test::Swift& swift) {
  Home home(swift, "cuts");
  const std::string large(2'000'000, 'x');
  const std::string etag = home.bucket.put("large", large);
  (void)home.bucket.put("small", "s");
  (void)home.save();
  (void)home.bucket.put("new", "n");
  {
    // A run that was killed: the tree stays as merging/, one file is not what its row says, one is there in
    // part.
    const Mirror cut(home.run_);
    replace_durably(cut.folder() + "/objects/small", "torn");
    replace_durably(cut.partial("large\n" + etag), large.substr(0, 1'500'000));
    remove_durably(cut.folder() + "/objects/large");
  }
  EXPECT_FALSE(path_exists(home.data));
  const S3Report report = home.save();
  EXPECT_EQ(report.fetched, 3U);
  EXPECT_EQ(home.read("small"), "s");
  EXPECT_EQ(home.read("large"), large);
  EXPECT_EQ(home.read("new"), "n");
}

void check_failures(const test::Swift& swift) {
  Home home(swift, "failures");
  (void)home.bucket.put("kept", "k");
  (void)home.save();
  const std::string good = home.source.settings.credentials.secret_key;
  home.source.settings.credentials.secret_key = "wrong";
  EXPECT_THROW((void)home.save(), Error);
  EXPECT_FALSE(path_exists(home.data)) << "a failed run leaves nothing to pull";
  home.source.settings.credentials.secret_key = good;
  EXPECT_EQ(home.save().unchanged, 1U);
  EXPECT_EQ(home.read("kept"), "k");
}

void check_restore(const test::Swift& swift) {
  Home home(swift, "original");
  (void)home.bucket.put(
      "p/a b", "one", {"text/plain; charset=x", {{"x-amz-meta-who", "m e"}, {"cache-control", "no-store"}}});
  (void)home.bucket.put("p/a b/c//", "two");
  (void)home.bucket.put("p/empty", "");
  (void)home.save();
  Home copy(swift, "restored");
  EXPECT_EQ(restore_bucket(copy.source, home.data, kClock).put, 3U);
  const auto facts = copy.bucket.head("p/a b");
  ASSERT_TRUE(facts);
  EXPECT_EQ(facts->content_type, "text/plain; charset=x");
  EXPECT_EQ(facts->metadata.at("who"), "m e");
  EXPECT_EQ(copy.save().fetched, 3U);
  EXPECT_EQ(copy.read("p/a b/c/%-/%-"), "two");
  EXPECT_EQ(restore_bucket(copy.source, home.data, kClock).there, 3U);
}

// The cmd, killed at each of its steps after a change; what the next run leaves is the bucket.
void check_kills(const test::Swift& swift) {
  Home home(swift, "kills");
  const test::TempDir dir{test::TempDir::fast()};
  replace_durably(dir.file("bucket.toml"),
                  fmt::format("endpoint = \"{}\"\nbucket = \"kills\"\ncredentials = \"{}\"\n",
                              swift.value("S3_ENDPOINT"), swift.credentials_file()));
  ensure_directory(dir.file("requests/main"));
  const auto cmd = [&](const std::string& step) {
    Command out;
    out.argv = {BK_BIN_DIR "/cmds/backup_s3", dir.file("bucket.toml")};
    out.environment = base_environment(dir.path());
    for (const std::string& one :
         {"BACKLINE_HOME=" + dir.path(), std::string("BACKLINE_SERVER=main"),
          "BACKLINE_TOKEN=" + std::string(32, 'a'), std::string("BACKLINE_MODULE=s3"),
          "BACKLINE_NAME=" + base64url_encode(dir.file("bucket.toml"))})
      out.environment.push_back(one);
    if (!step.empty()) out.environment.push_back("BACKLINE_CRASH_AT=" + step);
    return run_captured(out, std::chrono::minutes(1));
  };
  const std::string objects = spool_slot(dir.path(), "main", "s3", dir.file("bucket.toml")) + "/data/objects";
  for (int i = 0; i < 5; ++i) (void)home.bucket.put("stays" + std::to_string(i), "as it is");
  int round = 0;
  for (const char* step :
       {"mirror.merging", "bucket.placed", "bucket.saved", "mirror.synced", "mirror.data"}) {
    const std::string text = "round " + std::to_string(++round);
    (void)home.bucket.put("changes", text);
    (void)home.bucket.put("only" + std::to_string(round), text);
    home.bucket.remove("only" + std::to_string(round - 1));
    EXPECT_EQ(cmd(step).status, 128 + SIGKILL) << step;
    const Captured next = cmd("");
    EXPECT_EQ(next.status, kExitDone) << step << ": " << next.err;
    EXPECT_EQ(read_file(objects + "/changes"), text) << step;
    EXPECT_EQ(list_directory(objects).size(), 7U) << step;
    EXPECT_EQ(cmd("").out, "7 objects: 0 fetched (0 bytes), 7 unchanged, 0 skipped; 0 removed\n") << step;
  }
}

// What is longer than a part goes up in parts, and is known when it is there.
void check_large_restore(const test::Swift& swift) {
  Home home(swift, "large");
  std::string large;
  while (large.size() < 3'000'000) large += "0123456789abcdef" + std::to_string(large.size());
  (void)home.bucket.put("large", large);
  (void)home.save();
  Home copy(swift, "large-again");
  copy.source.settings.part_bytes = 1U << 20U;
  EXPECT_EQ(restore_bucket(copy.source, home.data, kClock).put, 1U);
  EXPECT_TRUE(copy.bucket.head("large")->etag.ends_with("-3")) << copy.bucket.head("large")->etag;
  EXPECT_EQ(restore_bucket(copy.source, home.data, kClock).there, 1U);
  // Saved again: its ETag is no MD5 now, its length is.
  EXPECT_EQ(copy.save().fetched, 1U);
  EXPECT_TRUE(copy.read("large") == large);
  EXPECT_EQ(copy.save().unchanged, 1U);
}

// More keys than a page of the listing holds.
void check_pages(const test::Swift& swift) {
  Home home(swift, "pages");
  constexpr int kKeys = 1005;
  for (int i = 0; i < kKeys; ++i) (void)home.bucket.put("k" + std::to_string(i), "");
  EXPECT_EQ(home.save().fetched, std::uint64_t{kKeys});
  EXPECT_EQ(list_directory(home.data + "/objects").size(), std::size_t{kKeys});
  EXPECT_EQ(home.save().unchanged, std::uint64_t{kKeys});
}

TEST(S3Module, SavesABucketAndBringsItBack) {
  const test::Swift swift;
  if (!swift.why_not().empty()) GTEST_SKIP() << swift.why_not();
  check_what_changes(swift);
  check_keys_that_are_folders(swift);
  check_cuts(swift);
  check_failures(swift);
  check_restore(swift);
  check_large_restore(swift);
  check_kills(swift);
  check_pages(swift);
}

TEST(S3Module, ReadsItsDescriptionStrictly) {
  const test::TempDir dir;
  replace_durably(dir.file("c"), "[default]\naws_access_key_id=A\naws_secret_access_key=B\nregion=eu-9\n");
  const S3Source source =
      parse_s3_source("bucket = \"b1\"\nprefix = \"p/\"\ncredentials = \"c\"\n", "f.toml", dir.path());
  EXPECT_EQ(source.settings.bucket, "b1");
  EXPECT_EQ(source.settings.region, "eu-9");
  EXPECT_EQ(source.settings.credentials.access_key, "A");
  for (const char* bad : {"prefix = \"p\"\n", "bucket = \"b1\"\nbukket = \"x\"\n",
                          "bucket = \"b1\"\nparallel = 0\ncredentials = \"c\"\n",
                          "bucket = \"b1\"\ncredentials = \"absent\"\n"})
    EXPECT_THROW((void)parse_s3_source(bad, "f.toml", dir.path()), Error) << bad;
}

}  // namespace
}  // namespace bk::client
