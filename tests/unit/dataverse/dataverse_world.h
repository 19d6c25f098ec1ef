// A Dataverse's database on a real PostgreSQL, its files in a folder, and a real object store beside.
#pragma once

#include "client/modules/dataverse_list.h"
#include "client/modules/dataverse_save.h"
#include "common/digest/hasher.h"
#include "common/io/file.h"
#include "common/text/escape.h"
#include "tests/support/services/postgres.h"
#include "tests/support/services/swift.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

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
struct Servers {
  test::Postgres postgres;
  test::Swift swift;
};
inline Servers* servers = nullptr;

class Dataverse : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { servers = new Servers; }
  static void TearDownTestSuite() {
    delete servers;
    servers = nullptr;
  }
  void SetUp() override {
    for (const std::string& why : {servers->postgres.why_not(), servers->swift.why_not()}) {
      if (!why.empty()) GTEST_SKIP() << why;
    }
    static int number = 0;
    name = "dv" + std::to_string(++number);
    servers->postgres.execute("postgres", "CREATE DATABASE " + name);
    run_sql(kSchema6);
    source.file = "dataverse.toml";
    source.database = servers->postgres.admin(name);
    source.folder = dir.file("files");
    ensure_directory(source.folder);
    source.parallel = 2;
  }
  void run_sql(const std::string& sql) const {
    for (std::size_t at = 0; at < sql.size();) {
      const std::size_t end = std::min(sql.find(";\n", at), sql.size());
      if (const std::string one = sql.substr(at, end - at); one.find_first_not_of(" \n") != std::string::npos)
        servers->postgres.execute(name, one);
      at = end + 2;
    }
  }
  [[nodiscard]] int dataset(const std::string& authority, const std::string& identifier) const {
    const std::string id = servers->postgres.value(
        name, fmt::format("INSERT INTO dvobject (dtype, authority, identifier, createdate) VALUES "
                          "('Dataset', '{}', '{}', now()) RETURNING id",
                          authority, identifier));
    run_sql("INSERT INTO dataset (id) VALUES (" + id + ")");
    return std::stoi(id);
  }
  int row(int owner, const std::string& storage, const std::string& content, const std::string& kind = "MD5",
          const std::string& created = "2020-01-01") const {
    const std::string id = servers->postgres.value(
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
  [[nodiscard]] std::string read(const std::string& path) const { return read_file(data + "/files/" + path); }
  [[nodiscard]] bool has(const std::string& path) const { return path_exists(data + "/files/" + path); }

  test::TempDir dir{test::TempDir::fast()};
  std::string name, data;
  DataverseSource source;
  client::Run run_{dir.path(), "main", "", "dataverse", "/etc/dataverse.toml"};
};

}  // namespace bk::client
