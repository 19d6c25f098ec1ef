#include "server/pull/archive_resume.h"

#include "common/digest/sha256.h"
#include "common/error/error.h"
#include "common/io/file.h"
#include "tests/support/temp_dir.h"

#include <gtest/gtest.h>

namespace bk::pull {
namespace {

std::vector<Extent> some_extents() {
  Extent chunk;
  chunk.bytes = 12345;
  chunk.id = Sha256::of("x");
  Extent list = chunk;
  list.kind = Extent::Kind::List;
  Extent bytes;
  bytes.kind = Extent::Kind::Inline;
  bytes.inline_data = std::string("a b\n\0c", 6);
  bytes.bytes = 6;
  return {chunk, list, bytes};
}

TEST(ArchiveResume, ReadsWhatItWrote) {
  EXPECT_EQ(parse_extents(write_extents(some_extents())), some_extents());
}

TEST(ArchiveResume, ADamagedFileIsTheSameAsNone) {
  test::TempDir dir;
  const ArchiveResume resume(dir.path(), "web1", std::string(64, 'a'), 5);
  EXPECT_TRUE(resume.load().empty());
  resume.save(some_extents());
  EXPECT_EQ(resume.load(), some_extents());
  const std::string path = dir.file("tmp/archives/web1." + std::string(64, 'a') + ".5");
  replace_durably(path, read_file(path).substr(0, 60));
  EXPECT_TRUE(resume.load().empty());
  resume.forget();
  EXPECT_FALSE(path_exists(path));
}

}  // namespace
}  // namespace bk::pull
