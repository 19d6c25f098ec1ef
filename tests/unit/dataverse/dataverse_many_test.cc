// Module dataverse with many files in three stores, its cmd killed in the middle again and again.
#include "common/error/error.h"
#include "tests/unit/dataverse/dataverse_world.h"

#include <fcntl.h>

#include <csignal>
#include <cstdlib>
#include <optional>

namespace bk::client {
namespace {

// The three stores of many files, filled by one statement; every 20th file absent, every 20th rotten.
class Many : public Dataverse {
 protected:
  void fill(int count) {
    bucket_.emplace(servers().swift.settings("many-" + name), kClock);
    ASSERT_TRUE(bucket_->make());
    odd_ = dir.file("odd");
    const int owner = dataset("10.1", "M");
    run_sql(
        fmt::format("WITH f AS (INSERT INTO dvobject (dtype, owner_id, storageidentifier, createdate) SELECT "
                    "'DataFile', {0}, (CASE i % 3 WHEN 0 THEN "
                    "'s3://many-{1}:f' WHEN 1 THEN 'ODD_label://f' ELSE 'file://f' END) || i, now() FROM "
                    "generate_series(0, {2}) i RETURNING id, "
                    "substring(storageidentifier from '[0-9]+$') AS i) INSERT INTO datafile (id, "
                    "checksumtype, checksumvalue, filesize) SELECT id, 'MD5', "
                    "md5('content of ' || i), 11 + length(i) FROM f",
                    owner, name, count - 1));
    for (int i = 0; i < count; ++i) put_one(i);
  }
  void put_one(int i) {
    const bool absent = i % 20 == 7;
    const bool rotten = i % 20 == 13;
    broken += absent || rotten ? 1 : 0;
    if (absent) return;
    const std::string content = (rotten ? "C" : "c") + ("ontent of " + std::to_string(i));
    const std::string file = "f" + std::to_string(i);
    if (i % 3 == 0) {
      (void)bucket_->put("10.1/M/" + file, content);
      return;
    }
    const std::string path = (i % 3 == 1 ? odd_ : source.folder) + "/10.1/M/" + file;
    ensure_directory(parent_of(path));
    const Fd fd = open_file(path, O_WRONLY | O_CREAT);
    write_all(fd.get(), content);
  }
  // The description that the cmd reads.
  void describe_all() {
    const test::Swift& swift = servers().swift;
    replace_durably(dir.file("dataverse.toml"),
                    fmt::format("files = \"{}\"\n[database]\nhost = \"{}\"\nname = \"{}\"\nuser = "
                                "\"admin\"\n[store.s3]\ntype = \"s3\"\nendpoint = "
                                "\"{}\"\nbucket = \"many-{}\"\ncredentials = \"{}\"\n[store.ODD_label]\ntype "
                                "= \"file\"\ndirectory = \"{}\"\n",
                                source.folder, source.database.host, name, swift.value("S3_ENDPOINT"), name,
                                swift.credentials_file(), odd_));
    ensure_directory(dir.file("requests/main"));
  }
  Command cmd(const std::string& crash) const {
    Command out;
    out.argv = {BK_BIN_DIR "/cmds/backup_dataverse", dir.file("dataverse.toml")};
    out.environment = base_environment(dir.path());
    for (const std::string& one :
         {"BACKLINE_HOME=" + dir.path(), std::string("BACKLINE_SERVER=main"),
          "BACKLINE_TOKEN=" + std::string(32, 'a'), std::string("BACKLINE_MODULE=dataverse"),
          "BACKLINE_NAME=" + base64url_encode(run_.name)})
      out.environment.push_back(one);
    if (!crash.empty()) out.environment.push_back("BACKLINE_CRASH_AT=" + crash);
    return out;
  }
  void check_result(std::uint64_t count) {
    source.stores = load_dataverse_source(dir.file("dataverse.toml"), dir.path()).stores;
    const DataverseReport report = save(true);
    EXPECT_EQ(report.listed, count);
    EXPECT_EQ(report.already, count - broken);
    EXPECT_EQ(report.failed, broken);
    for (std::uint64_t i = 0; i < count; ++i) {
      const std::string path = (i % 3 == 0   ? "s3"
                                : i % 3 == 1 ? "ODD_label"
                                             : "file") +
                               ("/10.1/M/f" + std::to_string(i));
      if (i % 20 == 7 || i % 20 == 13) {
        EXPECT_FALSE(has(path)) << path;
      } else {
        EXPECT_EQ(read(path), "content of " + std::to_string(i));
      }
    }
  }
  std::uint64_t broken = 0;
  std::string odd_;
  std::optional<s3::Bucket> bucket_;
};

TEST_F(Many, FilesInThreeStoresAreRightWhereverRunsWereKilled) {
  const char* wanted = std::getenv("BK_DATAVERSE_FILES");
  const int count = wanted == nullptr ? 300 : std::stoi(wanted);
  fill(count);
  describe_all();
  for (const char* step : {"mirror.merging", "dataverse.placed", "dataverse.told", "dataverse.saved",
                           "mirror.synced", "mirror.data"}) {
    const Captured ran = run_captured(cmd(step), std::chrono::minutes(5));
    EXPECT_EQ(ran.status, 128 + SIGKILL) << step << ": " << ran.err;
  }
  for (const int milliseconds : {10, 30, 60, 100, 200}) {
    Child child = start(cmd(""));
    (void)child.wait_for(std::chrono::milliseconds(milliseconds));
    child.stop(std::chrono::milliseconds(0));
  }
  const Captured last = run_captured(cmd(""), std::chrono::minutes(5));
  EXPECT_EQ(last.status, kExitPartial) << last.err;
  EXPECT_NE(last.out.find(fmt::format("{} files processed; ", count)), std::string::npos) << last.out;
  check_result(static_cast<std::uint64_t>(count));
}

}  // namespace
}  // namespace bk::client
