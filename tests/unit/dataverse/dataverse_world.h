// A Dataverse's database and stores on real servers, and one installation of ours beside them.
#pragma once

#include "client/modules/dataverse_list.h"
#include "client/modules/dataverse_save.h"
#include "client/modules/dataverse_state.h"
#include "common/digest/hasher.h"
#include "common/error/error.h"
#include "common/io/file.h"
#include "common/text/escape.h"
#include "tests/support/services/postgres.h"
#include "tests/support/services/swift.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <csignal>
#include <cstdlib>
#include <memory>
#include <optional>

namespace bk::client {

inline const SystemClock kClock;

// What of the schema is read, and the constraints that shape it.
inline constexpr const char* kSchema6 = R"(
CREATE TABLE dvobject (id serial PRIMARY KEY, dtype varchar(31), authority varchar(255), identifier varchar(255), protocol varchar(255),
  createdate timestamp NOT NULL, storageidentifier varchar(255), owner_id bigint REFERENCES dvobject(id));
CREATE UNIQUE INDEX ON dvobject (owner_id, storageidentifier) WHERE dtype = 'DataFile';
CREATE TABLE dataset (id bigint PRIMARY KEY REFERENCES dvobject(id), harvestingclient_id bigint);
CREATE TABLE datafile (id bigint PRIMARY KEY REFERENCES dvobject(id), checksumtype varchar(255) NOT NULL, checksumvalue varchar(255) NOT NULL,
  contenttype varchar(255) NOT NULL DEFAULT 'x', filesize bigint, restricted boolean);
CREATE TABLE datatable (id serial PRIMARY KEY, originalfilesize bigint, datafile_id bigint NOT NULL REFERENCES dvobject(id));
CREATE TABLE alternativepersistentidentifier (id serial PRIMARY KEY, dvobject_id bigint NOT NULL, authority varchar(255), identifier varchar(255),
  storagelocationdesignator boolean);
)";
inline constexpr const char* kOldStatus =
    R"(CREATE TABLE datafilestatus (id serial PRIMARY KEY, datasetidentifier varchar(255), storageidentifier varchar(255),
  status varchar(255), createdate timestamp, lastbackuptime timestamp, lastbackupmethod varchar(16), UNIQUE (storageidentifier)))";

struct Servers {
  test::Postgres postgres;
  test::Swift swift;
};
// Started by the first test that wants them, gone with the program.
inline Servers& servers() {
  static Servers one;
  return one;
}

class Dataverse : public ::testing::Test {
 protected:
  void SetUp() override {
    for (const std::string& why : {servers().postgres.why_not(), servers().swift.why_not()}) {
      if (!why.empty()) GTEST_SKIP() << why;
    }
    static int number = 0;
    name = "dv" + std::to_string(++number);
    servers().postgres.execute("postgres", "CREATE DATABASE " + name);
    run_sql(kSchema6);
    source.file = "dataverse.toml";
    source.database = servers().postgres.admin(name);
    source.folder = dir.file("files");
    ensure_directory(source.folder);
    source.parallel = 2;
  }
  void run_sql(const std::string& sql) const {
    for (std::size_t at = 0; at < sql.size();) {
      const std::size_t end = std::min(sql.find(";\n", at), sql.size());
      if (const std::string one = sql.substr(at, end - at); one.find_first_not_of(" \n") != std::string::npos)
        servers().postgres.execute(name, one);
      at = end + 2;
    }
  }
  [[nodiscard]] int dataset(const std::string& authority, const std::string& identifier) const {
    const std::string id = servers().postgres.value(
        name, fmt::format("INSERT INTO dvobject (dtype, authority, identifier, createdate) VALUES "
                          "('Dataset', '{}', '{}', now()) RETURNING id",
                          authority, identifier));
    run_sql("INSERT INTO dataset (id) VALUES (" + id + ")");
    return std::stoi(id);
  }
  int row(int owner, const std::string& storage, const std::string& content, const std::string& kind = "MD5",
          const std::string& created = "2020-01-01") const {
    const std::string id = servers().postgres.value(
        name, fmt::format("INSERT INTO dvobject (dtype, owner_id, storageidentifier, createdate) VALUES "
                          "('DataFile', {}, '{}', '{}') RETURNING id",
                          owner, storage, created));
    run_sql(fmt::format(
        "INSERT INTO datafile (id, checksumtype, checksumvalue, filesize) VALUES ({}, '{}', '{}', {})", id,
        kind, hex_encode(Hasher::of(*parse_hash_kind(kind), content)), content.size()));
    return std::stoi(id);
  }
  void put(const std::string& path, const std::string& content) const {
    ensure_directory(parent_of(join_path(source.folder, path)), 0755);
    replace_durably(join_path(source.folder, path), content, 0644);
  }
  DataverseReport save(bool rerun = false) {
    Mirror mirror(run_);
    const DataverseReport report = save_dataverse(source, mirror, kClock, rerun);
    data = mirror.commit();
    return report;
  }
  // dataverse.toml with the stores of this test, files in `files`.
  void describe(const std::string& files) const {
    const test::Swift& swift = servers().swift;
    replace_durably(
        dir.file("dataverse.toml"),
        fmt::format("files = \"{}\"\n[database]\nhost = \"{}\"\nname = \"{}\"\nuser = \"admin\"\n"
                    "[store.s3]\ntype = \"s3\"\nendpoint = \"{}\"\ncredentials = \"{}\"\n",
                    files, source.database.host, name, swift.value("S3_ENDPOINT"), swift.credentials_file()));
  }
  [[nodiscard]] std::string restore_as_the_page_says(int status = kExitDone) const {
    const std::string page = read_file(BK_SOURCE "/docs/modules/dataverse.md");
    const std::size_t begin = page.find("```sh\n") + 6;
    std::string words = page.substr(begin, page.find("```", begin) - begin);
    words.replace(words.find("scripts/cmds"), 12, BK_BIN_DIR "/cmds");
    Command restore;
    restore.argv = {"bash", "-euc", words};
    restore.directory = dir.path();
    restore.environment = base_environment(dir.path());
    restore.environment.push_back("TREE=" + data);
    const Captured ran = run_captured(restore, std::chrono::seconds(30));
    EXPECT_EQ(ran.status, status) << ran.err;
    return ran.out;
  }
  [[nodiscard]] std::string failure() {
    try {
      (void)save();
    } catch (const Error& error) {
      EXPECT_FALSE(path_exists(data)) << "something to pull after " << error.what();
      return error.what();
    }
    ADD_FAILURE() << "it was a success";
    return {};
  }
  [[nodiscard]] std::string read(const std::string& path) const { return read_file(data + "/files/" + path); }
  [[nodiscard]] bool has(const std::string& path) const { return path_exists(data + "/files/" + path); }

  test::TempDir dir{test::TempDir::fast()};
  std::string name, data;
  DataverseSource source;
  client::Run run_{dir.path(), "main", "", "dataverse", "/etc/dataverse.toml"};
};

}  // namespace bk::client
