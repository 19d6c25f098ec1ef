// What a Dataverse's description and its storage identifiers may look like.
#include "client/modules/dataverse_config.h"

#include "client/modules/dataverse_list.h"
#include "common/error/error.h"

#include <gtest/gtest.h>

namespace bk::client {
namespace {

TEST(DataverseConfig, ReadsTheOldConfigIni) {
  const DataverseSource source = parse_dataverse_source(
      "[Database]\nHost: localhost\nPORT: 5433\nDatabase: dvndb\nUsername: dvnapp\nPassword: "
      "xxx\nBackupDatabase: backupdb\n"
      "[Repository]\nFileSystemDirectory: /usr/local/files\n[Backup]\nStorageType: ssh\nSshPort: "
      "22\n[Notifications]\nEmail: a@b\n",
      "config.ini", "/home/b");
  EXPECT_EQ(source.database.host, "localhost");
  EXPECT_EQ(source.database.port, "5433");
  EXPECT_EQ(source.database.database, "dvndb");
  EXPECT_EQ(source.database.user, "dvnapp");
  EXPECT_EQ(source.database.password, "xxx");
  EXPECT_EQ(source.status_database, "backupdb");
  EXPECT_EQ(source.folder, "/usr/local/files");
  EXPECT_THROW((void)parse_dataverse_source("[Database]\nHost: x\n", "config.ini", "/"), Error);
}

TEST(DataverseConfig, RefusesWhatItDoesNotKnow) {
  for (const char* bad :
       {"", "[database]\nname = \"d\"\n",
        "[database]\nname = \"d\"\nuser = \"u\"\n[store.x]\ntype = \"swift\"\n",
        "[database]\nname = \"d\"\nuser = \"u\"\n[store.x]\ntype = \"file\"\n", "filez = \"/x\"\n"})
    EXPECT_THROW((void)parse_dataverse_source(bad, "d.toml", "/home/b"), Error) << bad;
  EXPECT_EQ(
      parse_dataverse_source("files = \"/f\"\n[database]\nname = \"d\"\nuser = \"u\"\n", "d.toml", "/home/b")
          .database.password_file,
      "/home/b/.pgpass");
}

TEST(DataverseStorage, IdentifiersOfEveryFormAreRead) {
  const auto parse = [](const char* text) {
    const std::optional<StoragePlace> place = parse_storage(text);
    return place ? place->label + "|" + place->bucket + "|" + place->name + (place->remote ? "|remote" : "")
                 : "none";
  };
  EXPECT_EQ(parse("18b-50"), "file||18b-50");
  EXPECT_EQ(parse("file://18b-50"), "file||18b-50");
  EXPECT_EQ(parse("s3://bucket:18b-50"), "s3|bucket|18b-50");
  EXPECT_EQ(parse("S3_archive-2://b:18b"), "S3_archive-2|b|18b");
  EXPECT_EQ(parse("globus://18b//host/path"), "globus||18b|remote");
  for (const char* bad : {"", "file://", "file://..", "../x", "a/b", "bad label://x", "..://x"})
    EXPECT_EQ(parse(bad), "none") << bad;
}

}  // namespace
}  // namespace bk::client
