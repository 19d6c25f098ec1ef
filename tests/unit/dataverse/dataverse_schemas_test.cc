// The schema of the old script and that of today.
#include "tests/unit/dataverse/dataverse_world.h"

namespace bk::client {
namespace {

// The old script's schema, and today's, with all that a file may be.
class Schemas : public Dataverse, public ::testing::WithParamInterface<bool> {};

TEST_P(Schemas, TabularOriginalsHarvestedFilesAndEmptyOnesAreRead) {
  const int owner = dataset("10.5072/FK2", "ABC");
  put("10.5072/FK2/ABC/t", "derived");
  put("10.5072/FK2/ABC/t.orig", "upload");
  put("10.5072/FK2/ABC/empty", "");
  (void)row(owner, "file://empty", "");
  const int table = row(owner, "file://t", "upload");
  run_sql(fmt::format("UPDATE datafile SET filesize = 7 WHERE id = {}", table));
  run_sql(fmt::format("INSERT INTO datatable (datafile_id) VALUES ({})", table));
  const int harvested = dataset("10.7", "H");
  (void)row(harvested, "http://elsewhere/x", "x");
  run_sql(fmt::format("UPDATE dataset SET harvestingclient_id = 1 WHERE id = {}", harvested));
  if (GetParam()) {
    run_sql("ALTER TABLE dataset ADD authority varchar(255), ADD identifier varchar(255)");
    run_sql(
        "UPDATE dataset s SET authority = d.authority, identifier = d.identifier FROM dvobject d WHERE d.id "
        "= s.id");
    run_sql("ALTER TABLE dvobject DROP authority, DROP identifier");
    run_sql("DROP TABLE alternativepersistentidentifier");
    run_sql("ALTER TABLE datatable DROP originalfilesize");
  }
  EXPECT_EQ(save().text(), "2 files processed; 2 success, 0 failed");
  EXPECT_EQ(read("file/10.5072/FK2/ABC/t"), "derived");
  EXPECT_EQ(read("file/10.5072/FK2/ABC/t.orig"), "upload");
  EXPECT_EQ(read("file/10.5072/FK2/ABC/empty"), "");
  EXPECT_EQ(save().already, 2U);
  // The upload has the checksum: a derived form of another length, and an upload that differs, are seen.
  put("10.5072/FK2/ABC/t.orig", "UPLOAD");
  run_sql("UPDATE datafile SET checksumtype = 'SHA-1', checksumvalue = repeat('0', 40) WHERE id = " +
          std::to_string(table));
  EXPECT_EQ(save().failures.at(0), "FAIL_VERIFY 10.5072/FK2/ABC/file://t");
  EXPECT_EQ(read("file/10.5072/FK2/ABC/t.orig"), "upload") << "what was saved before stays";
}

INSTANTIATE_TEST_SUITE_P(Dataverse, Schemas, ::testing::Values(true, false),
                         [](const auto& one) { return one.param ? "Of48" : "Since49"; });

}  // namespace
}  // namespace bk::client
