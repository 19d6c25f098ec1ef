#include "common/error/error.h"
#include "common/restore/export_list.h"
#include "server/store/tree.h"
#include "tests/support/content.h"
#include "tests/unit/bkdb/bkdb_fixture.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include <algorithm>
#include <fstream>

namespace bk::test {
namespace {

void set_time(const std::string& path, std::int64_t seconds, long nanoseconds) {
  const timespec times[2] = {{0, UTIME_OMIT}, {seconds, nanoseconds}};
  ASSERT_EQ(::utimensat(AT_FDCWD, path.c_str(), times, AT_SYMLINK_NOFOLLOW), 0) << path;
}

void write_at(const std::string& path, std::uint64_t offset, const std::string& bytes, std::uint64_t size) {
  const Fd fd = open_file(path, O_WRONLY | O_CREAT, 0644);
  ASSERT_EQ(::pwrite(fd.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset)),
            static_cast<ssize_t>(bytes.size()));
  ASSERT_EQ(::ftruncate(fd.get(), static_cast<off_t>(size)), 0);
}

// One of everything that a file system holds.
void make_zoo(const std::string& top) {
  ensure_directory(top + "/dir/empty");
  replace_durably(top + "/empty", "");
  replace_durably(top + "/small", "hello\n", 0640);
  replace_durably(top + "/large", noise(5U << 20U, 1), 0600);
  replace_durably(top + "/dir/setuid", "#!", 0755);
  for (const char* name : {"new\nline", "\xff\xfe", " space ", "-option", "caf\xc3\xa9", "*"})
    replace_durably(top + "/dir/" + name, name, 0444);
  write_at(top + "/hole-middle", 3U << 20U, noise(100000, 2), 9U << 20U);
  write_at(top + "/hole-all", 0, "", 50U << 20U);
  write_at(top + "/hole-huge", std::uint64_t{1} << 39U, "end", (std::uint64_t{1} << 39U) + 3);
  ASSERT_EQ(::link((top + "/small").c_str(), (top + "/dir/second").c_str()), 0);
  ASSERT_EQ(::link((top + "/small").c_str(), (top + "/zz-third").c_str()), 0);
  ASSERT_EQ(::symlink("../nowhere/\xff", (top + "/dir/link").c_str()), 0);
  ASSERT_EQ(::symlink("/etc", (top + "/dir/out").c_str()), 0);
  ASSERT_EQ(::link((top + "/dir/link").c_str(), (top + "/dir/link2").c_str()), 0);
  ASSERT_EQ(::mkfifo((top + "/fifo").c_str(), 0620), 0);
  ASSERT_EQ(::mknod((top + "/socket").c_str(), S_IFSOCK | 0755, 0), 0);
  ASSERT_EQ(::setxattr((top + "/small").c_str(), "user.note", "a\0b", 3, 0), 0);
  ASSERT_EQ(::setxattr((top + "/dir").c_str(), "user.empty", "", 0, 0), 0);
}

void make_roots_zoo(const std::string& top) {
  ASSERT_EQ(::mknod((top + "/null").c_str(), S_IFCHR | 0666, ::makedev(1, 3)), 0);
  ASSERT_EQ(::mknod((top + "/block").c_str(), S_IFBLK | 0660, ::makedev(259, 70000)), 0);
  ASSERT_EQ(::chown((top + "/dir/setuid").c_str(), 1234, 4000000000U), 0);
  ASSERT_EQ(::lchown((top + "/dir/link").c_str(), 77, 78), 0);
  ASSERT_EQ(::setxattr((top + "/dir/setuid").c_str(), "trusted.t", "1", 1, 0), 0);
  // The right to bind low ports, as setcap writes it.
  const char capability[] =
      "\x01\x00\x00\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00";
  ASSERT_EQ(::setxattr((top + "/dir/setuid").c_str(), "security.capability", capability, 20, 0), 0);
  ASSERT_EQ(::chmod((top + "/dir/setuid").c_str(), 06751), 0);
  const std::vector<std::string> acl = {"setfacl", "-m", "u:77:rwx,g:88:r", top + "/small"};
  const std::vector<std::string> preset = {"setfacl", "-d", "-m", "u:77:rwx", top + "/dir"};
  for (const auto& argv : {acl, preset}) {
    Command command;
    command.argv = argv;
    command.environment = base_environment("/");
    ASSERT_EQ(run_captured(command, std::chrono::seconds(10)).status, 0);
  }
}

void age(const std::string& top) {
  set_time(top + "/small", -5, 999'999'999);
  set_time(top + "/large", 4'102'444'800, 1);  // 2100
  set_time(top + "/dir/link", 1, 123'456'789);
  set_time(top + "/fifo", 2, 3);
  set_time(top + "/dir/empty", 1'000'000'000, 7);
  ASSERT_EQ(::chmod((top + "/dir/empty").c_str(), 0500), 0);
  ASSERT_EQ(::chmod((top + "/dir").c_str(), 01777), 0);
  set_time(top + "/dir", 1'000'000'001, 8);
  set_time(top, 1'000'000'002, 9);
}

class ExportTest : public BkdbTest {
 protected:
  void store_zoo() {
    make_zoo(file("zoo"));
    if (::getuid() == 0) make_roots_zoo(file("zoo"));
    age(file("zoo"));
    (void)back_up("zoo", {});
  }
};

TEST_F(ExportTest, EverythingComesBackExactly) {
  ASSERT_NO_FATAL_FAILURE(store_zoo());
  const Captured result = bkdb({"export", file("out")});
  EXPECT_EQ(result.status, 0) << result.out << result.err;
  EXPECT_EQ(difference(file("zoo"), entry_of(file("out"))), "");
}

TEST_F(ExportTest, PaxStreamUnpackedByTarIsEqualButForSockets) {
  ASSERT_NO_FATAL_FAILURE(store_zoo());
  // GNU tar 1.34 writes what it skips on extraction; the huge hole would take it minutes.
  ASSERT_EQ(::unlink(file("zoo/hole-huge").c_str()), 0);
  ASSERT_EQ(::unlink(file("zoo/socket").c_str()), 0);
  set_time(file("zoo"), 1'000'000'002, 9);
  (void)back_up("zoo", {});
  Command make;
  make.argv = {program(), "--home", home(), "export", "-"};
  make.environment = base_environment("/");
  Fd tar = open_file(file("out.tar"), O_WRONLY | O_CREAT, 0600);
  make.stdout_fd = tar.get();
  ASSERT_EQ(start(make).wait(), 0);
  ensure_directory(file("untarred"));
  const Captured untar = run({"tar", "-xpf", file("out.tar"), "-C", file("untarred"), "--numeric-owner",
                              "--xattrs", "--xattrs-include=*", "--same-owner"});
  ASSERT_EQ(untar.status, 0) << untar.err;
  EXPECT_EQ(difference(file("zoo"), entry_of(file("untarred"))), "");
}

TEST_F(ExportTest, SocketInAStreamIsNamedAndMakesStatus3) {
  ensure_directory(file("t"));
  ASSERT_EQ(::mknod(file("t/sock").c_str(), S_IFSOCK | 0755, 0), 0);
  (void)back_up("t", {});
  const Captured result = bkdb({"export", "-"});
  EXPECT_EQ(result.status, 3);
  EXPECT_NE(result.err.find("sock"), std::string::npos) << result.err;
}

TEST_F(ExportTest, AnArchiveIsAFileWithItsBytes) {
  const std::string bytes = noise(3U << 20U, 9);
  write("archive.tar", bytes);
  (void)back_up("archive.tar", {.module = "trac", .method = "sftp", .name = "/home/services/trac"});
  EXPECT_EQ(bkdb({"export", file("out")}).status, 0);
  EXPECT_EQ(read_file(entry_of(file("out"))), bytes);
}

TEST_F(ExportTest, WithoutRangeOnlyTheNewestOfEachSource) {
  write("t/a", "one");
  (void)back_up("t", {.began = {1'378'344'930, 5}});
  write("t/a", "two");
  (void)back_up("t", {.began = {1'378'344'931, 5}});
  EXPECT_EQ(bkdb({"export", file("out")}).status, 0);
  EXPECT_EQ(list_directory(file("out")).size(), 2U);
  EXPECT_EQ(read_file(entry_of(file("out")) + "/a"), "two");
}

TEST_F(ExportTest, RangeTakesAllThatMatchAndNamesCarryTheUtcTime) {
  write("t/a", "one");
  const auto first = back_up("t", {.began = {1'378'344'930, 5}});
  write("t/a", "two");
  (void)back_up("t", {.began = {1'378'344'931, 5}});
  EXPECT_EQ(bkdb({"export", file("out"), "0", ">2013-09-05"}).status, 0);
  EXPECT_EQ(list_directory(file("out")).size(), 3U);
  EXPECT_EQ(read_file(file("out") + "/0_20130905T013530Z_" + first.id.substr(0, 12) + "/a"), "one");
}

TEST_F(ExportTest, ListMapsEntriesToSources) {
  write("t/a", "one");
  const auto record = back_up("t", {.name = "/srv/with space\n"});
  EXPECT_EQ(bkdb({"export", file("out")}).status, 0);
  const auto list = parse_export_list(read_file(file("out/EXPORT.txt")));
  ASSERT_EQ(list.size(), 1U);
  EXPECT_EQ(list[0].path, "/srv/with space\n");
  EXPECT_EQ(list[0].snapshot, record.id);
  EXPECT_EQ(file("out") + "/" + list[0].entry, entry_of(file("out")));
}

TEST_F(ExportTest, PathTakesOnlyThatPartWithTheFoldersOnTheWay) {
  write("t/a/b/keep", "1");
  write("t/a/b/also", "2");
  write("t/a/other", "3");
  write("t/z", "4");
  (void)back_up("t", {});
  EXPECT_EQ(bkdb({"export", file("out"), "--path", "a/b", "--path", "/srv/t/z"}).status, 0);
  const std::string top = entry_of(file("out"));
  EXPECT_EQ(list_directory(top), (std::vector<std::string>{"a", "z"}));
  EXPECT_EQ(list_directory(top + "/a"), std::vector<std::string>{"b"});
  EXPECT_EQ(difference(file("t/a/b"), top + "/a/b"), "");
}

TEST_F(ExportTest, PathThatIsNowhereIs69) {
  write("t/a", "1");
  (void)back_up("t", {});
  const Captured result = bkdb({"export", file("out"), "--path", "nothing"});
  EXPECT_EQ(result.status, 69);
  EXPECT_NE(result.err.find("--path \"nothing\""), std::string::npos) << result.err;
}

TEST_F(ExportTest, FolderThatIsNotEmptyIs64AndStaysAsItWas) {
  write("t/a", "1");
  write("out/mine", "x");
  (void)back_up("t", {});
  EXPECT_EQ(bkdb({"export", file("out")}).status, 64);
  EXPECT_EQ(list_directory(file("out")), std::vector<std::string>{"mine"});
}

TEST_F(ExportTest, ForceAddsAndKeepsTheListOfBefore) {
  write("t/a", "1");
  (void)back_up("t", {});
  ASSERT_EQ(bkdb({"export", file("out")}).status, 0);
  write("t/a", "2");
  (void)back_up("t", {});
  EXPECT_EQ(bkdb({"export", file("out"), "--force"}).status, 0);
  EXPECT_EQ(parse_export_list(read_file(file("out/EXPORT.txt"))).size(), 2U);
}

TEST_F(ExportTest, NeverWritesThroughAPlantedLink) {  // B004-14
  write("t/a", "1");
  const auto record = back_up("t", {.began = {1'378'344'930, 0}});
  ensure_directory(file("victim"));
  ensure_directory(file("out"));
  const std::string entry = file("out") + "/0_20130905T013530Z_" + record.id.substr(0, 12);
  ASSERT_EQ(::symlink(file("victim").c_str(), entry.c_str()), 0);
  EXPECT_EQ(bkdb({"export", file("out"), "--force"}).status, 74);
  EXPECT_TRUE(list_directory(file("victim")).empty());
}

TEST_F(ExportTest, ListIsNotWrittenThroughAPlantedLink) {
  write("t/a", "1");
  write("victim", "precious");
  (void)back_up("t", {});
  ensure_directory(file("out"));
  ASSERT_EQ(::symlink(file("victim").c_str(), file("out/EXPORT.txt").c_str()), 0);
  EXPECT_EQ(bkdb({"export", file("out"), "--force"}).status, 64);
  EXPECT_EQ(read_file(file("victim")), "precious");
}

TEST_F(ExportTest, IntoTheStoreIsRefused) {
  write("t/a", "1");
  (void)back_up("t", {});
  EXPECT_EQ(bkdb({"export", home() + "/store/x"}).status, 64);
}

TEST_F(ExportTest, KilledBeforeItsEndHasNoList) {
  write("t/a", "1");
  (void)back_up("t", {});
  EXPECT_EQ(bkdb({"export", file("out")}, {"BACKLINE_CRASH_AT=bkdb.export_synced"}).status, 137);
  EXPECT_FALSE(path_exists(file("out/EXPORT.txt")));
  EXPECT_EQ(bkdb({"export", file("again")}, {"BACKLINE_CRASH_AT=bkdb.export_listed"}).status, 137);
  EXPECT_EQ(parse_export_list(read_file(file("again/EXPORT.txt"))).size(), 1U);
}

TEST_F(ExportTest, TheSameCommandGoesOnWhereOneWasKilled) {
  ASSERT_NO_FATAL_FAILURE(store_zoo());
  for (const char* step : {"bkdb.export_begun", "bkdb.export_synced", "bkdb.export_listed"}) {
    const std::string out = file(std::string("out") + step);
    EXPECT_EQ(bkdb({"export", out}, {std::string("BACKLINE_CRASH_AT=") + step}).status, 137);
    const Captured again = bkdb({"export", out});
    EXPECT_EQ(again.status, 0) << step << again.err;
    EXPECT_EQ(difference(file("zoo"), entry_of(out)), "") << step;
    EXPECT_FALSE(path_exists(out + "/UNFINISHED.txt"));
    EXPECT_EQ(parse_export_list(read_file(out + "/EXPORT.txt")).size(), 1U);
  }
}

TEST_F(ExportTest, AnotherSnapshotIsNotMixedIntoWhatWasCut) {
  write("t/a", "1");
  (void)back_up("t", {.began = {1'378'344'930, 0}});
  EXPECT_EQ(bkdb({"export", file("out")}, {"BACKLINE_CRASH_AT=bkdb.export_synced"}).status, 137);
  write("t/a", "2");
  (void)back_up("t", {});
  const Captured other = bkdb({"export", file("out")});
  EXPECT_EQ(other.status, 64);
  EXPECT_NE(other.err.find("unfinished restore of"), std::string::npos) << other.err;
  EXPECT_EQ(bkdb({"export", file("out"), "0", "=2013-09-05 01:35:30"}).status, 0);
  EXPECT_EQ(read_file(entry_of(file("out")) + "/a"), "1");
}

TEST_F(ExportTest, MovedHomeStillReadsEverything) {  // B004-12
  write("t/a", "1");
  (void)back_up("t", {});
  store_.reset();
  rename_durably(home(), file("moved"));
  EXPECT_EQ(run({program(), "--home", file("moved"), "verify"}, "/").status, 0);
  EXPECT_EQ(run({program(), "--home", file("moved"), "export", file("out")}, "/").status, 0);
  EXPECT_EQ(difference(file("t"), entry_of(file("out"))), "");
}

TEST_F(ExportTest, FullDiskIs74WithItsReasonAndSaidBefore) {
  write("t/a", noise(3U << 20U, 4));
  (void)back_up("t", {});
  ensure_directory(file("small"));
  if (::mount("none", file("small").c_str(), "tmpfs", 0, "size=1m") != 0)
    GTEST_SKIP() << "needs the right to mount";
  const Captured result = bkdb({"export", file("small/out")});
  // Some room later the same command goes on.
  ASSERT_EQ(::mount("none", file("small").c_str(), "tmpfs", MS_REMOUNT, "size=8m"), 0);
  const Captured after = bkdb({"export", file("small/out")});
  const std::string back = after.status == 0 ? read_file(entry_of(file("small/out")) + "/a") : after.err;
  const bool marked = path_exists(file("small/out/UNFINISHED.txt"));
  (void)::umount(file("small").c_str());
  EXPECT_EQ(result.status, 74);
  EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 2) << result.err;
  EXPECT_NE(result.err.find("1.0 MiB are free there, and the snapshot's files have 3.0 MiB"),
            std::string::npos)
      << result.err;
  EXPECT_NE(result.err.find("No space left on device"), std::string::npos) << result.err;
  EXPECT_NE(result.err.find("the same command goes on"), std::string::npos) << result.err;
  EXPECT_EQ(back, noise(3U << 20U, 4));
  EXPECT_FALSE(marked);
}

TEST_F(ExportTest, AFileLargerThanTheDestinationCanHoldEndsOnlyItself) {
  const auto writer = store_->writer("web1", "wiki", "rsync", "/srv/t");
  store::DirectoryWriter tree(*writer);
  Entry huge;
  huge.name = "huge";
  huge.type = EntryType::File;
  huge.mode = 0644;
  huge.size = std::uint64_t{1} << 62U;
  huge.content = {{Extent::Kind::Hole, huge.size, {}, {}}};
  tree.add(huge);
  Entry small = huge;
  small.name = "small";
  small.size = 2;
  small.content = {{Extent::Kind::Inline, 2, {}, "ok"}};
  tree.add(small);
  store::SnapshotRecord record;
  record.client = "web1";
  record.module = "wiki";
  record.method = "rsync";
  record.name = "/srv/t";
  record.began = record.ended = {1700000000, 0};
  record.root.type = EntryType::Directory;
  record.root.mode = 0755;
  record.root.node = tree.finish().node;
  (void)writer->commit(record);
  const Captured result = bkdb({"export", file("out")});
  EXPECT_NE(result.status, kExitIo) << result.err;
  EXPECT_EQ(read_file(entry_of(file("out")) + "/small"), "ok");
  EXPECT_TRUE(path_exists(file("out/EXPORT.txt")));
}

// An agent may say such things, and another system's file system may have held them.
TEST_F(ExportTest, ALinkOrDeviceThatTheDestinationCannotHoldEndsOnlyItself) {
  const auto writer = store_->writer("web1", "wiki", "rsync", "/srv/t");
  store::DirectoryWriter tree(*writer);
  Entry device;
  device.name = "device";
  device.type = EntryType::BlockDevice;
  device.rdev_major = device.rdev_minor = UINT32_MAX;
  tree.add(device);
  Entry link;
  link.name = "link";
  link.type = EntryType::Symlink;
  link.target = std::string(4096, 't');
  link.size = link.target.size();
  tree.add(link);
  Entry small;
  small.name = "small";
  small.type = EntryType::File;
  small.size = 2;
  small.content = {{Extent::Kind::Inline, 2, {}, "ok"}};
  tree.add(small);
  store::SnapshotRecord record;
  record.client = "web1";
  record.module = "wiki";
  record.method = "rsync";
  record.name = "/srv/t";
  record.began = record.ended = {1700000000, 0};
  record.root.type = EntryType::Directory;
  record.root.mode = 0755;
  record.root.node = tree.finish().node;
  (void)writer->commit(record);
  const Captured result = bkdb({"export", file("out")});
  EXPECT_EQ(result.status, 3) << result.err;
  EXPECT_NE(result.err.find("symlink not made"), std::string::npos) << result.err;
  EXPECT_EQ(read_file(entry_of(file("out")) + "/small"), "ok");
  EXPECT_TRUE(path_exists(file("out/EXPORT.txt")));
}

// A client may name a chunk that it gave us, and say another length of it.
TEST_F(ExportTest, AChunkOfAnotherLengthThanItsExtentSaysEndsOnlyItsFile) {
  const auto writer = store_->writer("web1", "wiki", "rsync", "/srv/t");
  store::DirectoryWriter tree(*writer);
  Entry entry;
  entry.type = EntryType::File;
  const ChunkId id = writer->put(ObjectKind::Data, noise(1000, 7));
  entry.name = "a-true";
  entry.size = 1000;
  entry.content = {{Extent::Kind::Chunk, 1000, id, {}}};
  tree.add(entry);
  for (const std::uint64_t said : {std::uint64_t{400}, std::uint64_t{5000}}) {
    entry.name = "said" + std::to_string(said);
    entry.size = said + 1000;
    entry.content = {{Extent::Kind::Chunk, said, id, {}}, {Extent::Kind::Chunk, 1000, id, {}}};
    tree.add(entry);
  }
  store::SnapshotRecord record;
  record.client = "web1";
  record.module = "wiki";
  record.method = "rsync";
  record.name = "/srv/t";
  record.began = record.ended = {1700000000, 0};
  record.root.type = EntryType::Directory;
  record.root.mode = 0755;
  record.root.node = tree.finish().node;
  (void)writer->commit(record);
  const Captured result = bkdb({"export", file("out")});
  EXPECT_EQ(result.status, kExitCorrupt) << result.err;
  EXPECT_EQ(read_file(entry_of(file("out")) + "/a-true"), noise(1000, 7));
  EXPECT_FALSE(path_exists(entry_of(file("out")) + "/said400"));
  EXPECT_FALSE(path_exists(entry_of(file("out")) + "/said5000"));
  const Captured verified = bkdb({"verify"});
  EXPECT_EQ(verified.status, kExitCorrupt) << verified.out << verified.err;
  EXPECT_TRUE(path_exists(file("out/EXPORT.txt")));
}

TEST_F(ExportTest, DeepTreeBeyondPathMax) {
  // 400 levels of 100 bytes: 40 kB of path.
  const std::string name(100, 'd');
  ensure_directory(file("deep"));
  Fd at = open_directory(file("deep"));
  for (int i = 0; i < 400; ++i) {
    ASSERT_EQ(::mkdirat(at.get(), name.c_str(), 0755), 0);
    at = Fd(::openat(at.get(), name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  }
  const Fd leaf(::openat(at.get(), "leaf", O_WRONLY | O_CREAT, 0644));
  write_all(leaf.get(), "bottom");
  (void)back_up("deep", {});
  EXPECT_EQ(bkdb({"export", file("out")}).status, 0);
  EXPECT_EQ(difference(file("deep"), entry_of(file("out"))), "");
}

TEST_F(ExportTest, ManySmallFilesPassThroughSeveralWindows) {
  for (int d = 0; d < 7; ++d) ensure_directory(file("many/" + std::to_string(d)));
  for (int i = 0; i < 3000; ++i)
    std::ofstream(file("many/" + std::to_string(i % 7) + "/file" + std::to_string(i)))
        << noise(300, static_cast<unsigned>(i));
  (void)back_up("many", {});
  EXPECT_EQ(bkdb({"export", file("out")}).status, 0);
  EXPECT_EQ(difference(file("many"), entry_of(file("out"))), "");
}

TEST_F(ExportTest, PlainUserGetsTheBytesAndIsToldWhatIsMissing) {
  if (::getuid() != 0) GTEST_SKIP() << "needs root to become a plain user";
  ASSERT_NO_FATAL_FAILURE(store_zoo());
  ASSERT_EQ(run({"chown", "-R", "65534:65534", home()}).status, 0);
  ensure_directory(file("out"), 0755);
  ASSERT_EQ(::chmod(scratch_.path().c_str(), 0755), 0);
  ASSERT_EQ(::chown(file("out").c_str(), 65534, 65534), 0);
  const Captured result = run({"setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", program(),
                               "--home", home(), "export", file("out")},
                              "/");
  EXPECT_EQ(result.status, 3) << result.err;
  EXPECT_NE(result.err.find("owner and group not set"), std::string::npos) << result.err;
  EXPECT_NE(result.err.find("device not made"), std::string::npos) << result.err;
  EXPECT_NE(result.err.find("setuid and setgid bits not set"), std::string::npos) << result.err;
  const std::string top = entry_of(file("out"));
  EXPECT_EQ(read_file(top + "/large"), noise(5U << 20U, 1));
  struct stat st {};
  ASSERT_EQ(::stat((top + "/dir/setuid").c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 06000U, 0U);
}

}  // namespace
}  // namespace bk::test
