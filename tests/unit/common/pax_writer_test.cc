// Archives with names of any bytes, read by GNU tar and by bsdtar.
#include "common/archive/pax_writer.h"

#include "common/archive/raw_names.h"
#include "common/io/file.h"
#include "common/process/process.h"
#include "tests/support/temp_dir.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <climits>

namespace bk {
namespace {

Entry file_of(std::uint64_t size) {
  Entry entry;
  entry.mode = 0644;
  entry.uid = ::getuid();
  entry.gid = ::getgid();
  entry.size = size;
  entry.mtime = {1'600'000'000, 123'456'789};
  entry.xattrs = {{"user.note", "\xff"}};
  return entry;
}

const std::string kLatin = "caf\xe9", kUtf8 = "caf\xc3\xa9 \xe2\x82\xac";
const std::string kLong = std::string(200, '\xff') + "/" + std::string(200, '\xfe');
const std::string kLongTarget = std::string(300, '\xfd');

// Everything that has names, with names of every kind.
// A sparse file's name must be UTF-8 in the archive, and bsdtar in the C locale refuses to know UTF-8.
std::string archive(bool sparse_utf8 = true) {
  std::string out;
  PaxWriter writer([&](std::string_view bytes) { out += bytes; });
  Entry folder = file_of(0);
  folder.type = EntryType::Directory;
  folder.mode = 0755;
  for (const std::string& name : {kLatin, kUtf8, std::string("plain")}) {
    writer.begin(name, folder);
    writer.begin(name + "/file", file_of(7));
    writer.write("content");
    writer.begin(name + "/again", file_of(0), name + "/file");
    if (name == kUtf8 && !sparse_utf8) continue;
    Entry sparse = file_of(1'000'003);
    sparse.content = {{Extent::Kind::Hole, 1'000'000, {}, {}}, {Extent::Kind::Chunk, 3, {}, {}}};
    writer.begin(name + "/sparse", sparse);
    writer.write(std::string(1'000'000, '\0') + "end");
  }
  writer.begin(kLong.substr(0, 200), folder);
  writer.begin(kLong, file_of(4));
  writer.write("long");
  writer.begin("again", file_of(0), kLong);
  Entry link = file_of(0);
  link.type = EntryType::Symlink;
  link.xattrs.clear();  // the kernel gives links none of users
  for (const std::string& target : {kLatin, kLongTarget}) {
    link.target = target;
    writer.begin("to-" + std::to_string(target.size()), link);
    writer.begin("to-" + std::to_string(target.size()) + "-again", link,
                 "to-" + std::to_string(target.size()));
  }
  writer.close();
  return out;
}

std::string target_of(const std::string& path) {
  char buffer[PATH_MAX];
  const ssize_t size = ::readlink(path.c_str(), buffer, sizeof buffer);
  return {buffer, static_cast<std::size_t>(std::max<ssize_t>(size, 0))};
}

ino_t inode_of(const std::string& path) {
  struct stat facts {};
  EXPECT_EQ(::lstat(path.c_str(), &facts), 0) << path;
  return facts.st_ino;
}

TEST(PaxWriter, NamesOfAnyBytesAreReadByGnuTarAndBsdtarWithoutAWord) {
  for (const char* program : {"tar", "bsdtar"}) {
    for (const char* locale : {"LC_ALL=C.UTF-8", "LC_ALL=C"}) {
      const test::TempDir dir;
      const bool all = std::string(program) == "tar" || std::string(locale) != "LC_ALL=C";
      replace_durably(dir.file("a.tar"), archive(all));
      ensure_directory(dir.file("out"));
      Command command;
      command.argv = {program, "-xpf", dir.file("a.tar"), "-C", dir.file("out")};
      command.environment = {"PATH=/usr/bin:/bin", locale};
      const Captured got = run_captured(command, std::chrono::minutes(1));
      const std::string with = std::string(program) + " " + locale;
      EXPECT_EQ(got.status, 0) << with;
      EXPECT_EQ(got.err, "") << with;
      const std::string out = dir.file("out/");
      for (const std::string& name : {kLatin, kUtf8, std::string("plain")}) {
        EXPECT_EQ(read_file(out + name + "/file"), "content") << with;
        EXPECT_EQ(inode_of(out + name + "/again"), inode_of(out + name + "/file")) << with;
        if (name == kUtf8 && !all) continue;
        EXPECT_EQ(read_file(out + name + "/sparse"), std::string(1'000'000, '\0') + "end") << with;
      }
      EXPECT_EQ(read_file(out + kLong), "long") << with;
      EXPECT_EQ(inode_of(out + "again"), inode_of(out + kLong)) << with;
      EXPECT_EQ(target_of(out + "to-4"), kLatin) << with;
      EXPECT_EQ(target_of(out + "to-300"), kLongTarget) << with;
      EXPECT_EQ(target_of(out + "to-300-again"), kLongTarget) << with;
    }
  }
}

TEST(PaxWriter, NoReaderMeetsACharacterSet) { EXPECT_EQ(archive().find("hdrcharset"), std::string::npos); }

TEST(RawNames, Utf8IsToldFromOtherBytes) {
  for (const char* good : {"", "plain", "caf\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80", "\xed\x9f\xbf"})
    EXPECT_TRUE(is_utf8(good)) << good;
  for (const char* bad :
       {"\xff", "\xc3", "\xc0\x80", "\xe0\x80\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe2\x82", "a\x80"})
    EXPECT_FALSE(is_utf8(bad)) << bad;
}

}  // namespace
}  // namespace bk
