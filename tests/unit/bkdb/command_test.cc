#include "server/catalog/catalog.h"
#include "server/pull/git_view.h"
#include "server/views/views.h"
#include "tests/unit/bkdb/bkdb_fixture.h"

#include <fcntl.h>

#include <algorithm>
#include <nlohmann/json.hpp>

namespace bk::test {
namespace {

using nlohmann::json;

class CommandTest : public BkdbTest {
 protected:
  // Two clients, two methods, three sources.
  void fill() {
    write("t/a", "one");
    (void)back_up("t", {.method = "sftp", .name = "/home/services/wiki", .began = {1'378'344'930, 123}});
    (void)back_up("t", {.method = "sftp", .name = "/home/services/trac", .began = {1'378'344'930, 0}});
    (void)back_up("t", {.client = "web2", .name = "/srv", .began = {1'378'431'330, 0}});
    server::rebuild_views(home(), store_->snapshots());
  }
  [[nodiscard]] Captured in(const std::string& folder, std::vector<std::string> words) const {
    words.insert(words.begin(), program());
    return run(words, folder, {"PWD=" + folder});
  }
};

TEST_F(CommandTest, LsInAMethodFolderShowsThatClientAndMethod) {
  fill();
  const std::string folder = home() + "/data/web1/sftp";
  const std::string expected = "Base path: \"" + folder +
                               "\"\n"
                               "* [0] /home/services/trac\n"
                               "* [1] /home/services/wiki\n"
                               "[0] /home/services/trac:\n"
                               "\t2013-09-05 01:35:30 [0]\n"
                               "\n"
                               "[1] /home/services/wiki:\n"
                               "\t2013-09-05 01:35:30 [1]\n"
                               "\n";
  EXPECT_EQ(in(folder, {"ls"}).out, expected);
  EXPECT_EQ(run({program(), "-C", folder, "ls"}, "/").out, expected);
}

TEST_F(CommandTest, LsInAHomeShowsAllAndTellsThemApart) {
  fill();
  const Captured result = in(home(), {"ls"});
  EXPECT_NE(result.out.find("* [2] /srv  (web2, rsync, directories)\n"), std::string::npos)
      << result.out << result.err;
  EXPECT_NE(in(home(), {"--client", "web2", "ls"}).out.find("* [0] /srv\n"), std::string::npos);
  EXPECT_NE(in(home(), {"--method", "rsync", "ls"}).out.find("* [0] /srv\n"), std::string::npos);
}

TEST_F(CommandTest, IndexAndRangeComeInAnyOrderAndTheLastOfAKindCounts) {
  fill();
  EXPECT_EQ(bkdb({"ls", "2", ">2013-09-01"}).out, bkdb({"ls", ">2013-09-01", "2"}).out);
  EXPECT_EQ(bkdb({"ls", "0", "1"}).out, bkdb({"ls", "1"}).out);
}

TEST_F(CommandTest, LsWithoutMatchIsDoneAndShowsOnlyTheSource) {
  fill();
  const Captured result = bkdb({"--client", "web2", "ls", "0", "=1999-01-01"});
  EXPECT_EQ(result.status, 0);
  EXPECT_TRUE(result.out.ends_with("[0] /srv:\n")) << result.out;
}

TEST_F(CommandTest, JsonHasExactTimesAndBothForms) {
  fill();
  const Captured result = bkdb({"--json", "ls", "1"});
  const json parsed = json::parse(result.out);
  const json& source = parsed["sources"][1];
  EXPECT_EQ(source["path"], "/home/services/wiki");
  EXPECT_EQ(source["path_b64"], "L2hvbWUvc2VydmljZXMvd2lraQ==");
  EXPECT_EQ(source["id"].get<std::string>().size(), 16U);
  EXPECT_EQ(source["snapshots"][0]["began"], "2013-09-05T01:35:30.000000123Z");
  EXPECT_EQ(parsed["sources"][0]["selected"], false);
}

TEST_F(CommandTest, LocalShowsTheZoneOfTheMachine) {
  fill();
  EXPECT_NE(bkdb({"--local", "ls"}, {"TZ=EST5EDT"}).out.find("2013-09-04 21:35:30"), std::string::npos);
}

TEST_F(CommandTest, FilesListsAllOrAPart) {
  write("t/dir/x", "12345");
  write("t/other", "");
  (void)back_up("t", {});
  const Captured all = bkdb({"files", "0"});
  EXPECT_EQ(all.status, 0) << all.err;
  EXPECT_NE(all.out.find(" dir/x\n"), std::string::npos) << all.out;
  const Captured part = bkdb({"files", "0", "dir"});
  EXPECT_EQ(part.out.find("other"), std::string::npos) << part.out;
  EXPECT_NE(part.out.find("dir/x"), std::string::npos);
  EXPECT_EQ(bkdb({"files", "0", "dir/none"}).status, 69);
  const json entry = json::parse(bkdb({"--json", "files", "0", "dir/x"}).out);
  EXPECT_EQ(entry["size"], 5);
  EXPECT_EQ(entry["mode"], "0644");
}

TEST_F(CommandTest, CatGivesExactlyTheBytesOfThatTime) {
  write("t/x", "old");
  (void)back_up("t", {.began = {1'378'344'930, 5}});
  write("t/x", "new");
  (void)back_up("t", {});
  EXPECT_EQ(bkdb({"cat", "0", "=2013-09-05 01:35:30", "x"}).out, "old");
  EXPECT_EQ(bkdb({"cat", "0", "x"}).out, "new");
  EXPECT_EQ(bkdb({"cat", "0", "/srv/t/x"}).out, "new");
  EXPECT_EQ(bkdb({"cat", "0", "gone"}).status, 69);
  EXPECT_EQ(bkdb({"cat", "0", "."}).status, 64);
}

TEST_F(CommandTest, FindMatchesNamesAndWholePaths) {
  write("t/dir/needle.txt", "1");
  (void)back_up("t", {.began = {1'378'344'930, 5}});
  EXPECT_EQ(bkdb({"find", "needle*"}).out, "[0] 2013-09-05 01:35:30 /srv/t/dir/needle.txt\n");
  EXPECT_EQ(bkdb({"find", "/srv/t/*/needle.txt"}).status, 0);
  EXPECT_EQ(bkdb({"find", "nothing"}).status, 69);
}

TEST_F(CommandTest, StatsCount) {
  fill();
  const json numbers = json::parse(bkdb({"--json", "stats"}).out);
  EXPECT_EQ(numbers["sources"], 3);
  EXPECT_EQ(numbers["clients"], 2);
  EXPECT_GT(numbers["store_disk_bytes"], 0);
}

TEST_F(CommandTest, WrongInputIsOneLineAndItsStatus) {
  fill();
  const std::vector<std::pair<std::vector<std::string>, int>> cases = {
      {{"fly"}, 64},
      {{"rm"}, 64},
      {{"ls", "9"}, 64},
      {{"ls", "0,1,"}, 64},
      {{"ls", "word"}, 64},
      {{"ls", "=2013-13-01"}, 64},
      {{"ls", ">3,<1"}, 64},
      {{"ls", "--nonsense"}, 64},
      {{"ls", "-1"}, 64},
      {{"export"}, 64},
      {{"export", ""}, 64},
      {{"export", "/nonexistent/parent/x"}, 64},
      {{"files"}, 64},
      {{"files", "0,1"}, 64},
      {{"files", "=5"}, 64},
      {{"cat", "0"}, 64},
      {{"cat", "0", "../x"}, 64},
      {{"find"}, 64},
      {{"build", "now"}, 64},
      {{"-C", "/nonexistent/folder", "ls"}, 64},
      {{"--client", "../x", "ls"}, 64},
      {{"--client", "nobody", "verify"}, 69},
  };
  for (const auto& [words, status] : cases) {
    const Captured result = bkdb(words);
    EXPECT_EQ(result.status, status) << words[0] << ": " << result.err;
    EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 1) << result.err;
    EXPECT_TRUE(result.err.starts_with("bkdb: ")) << result.err;
  }
}

TEST_F(CommandTest, NoCommandIsHelp) {
  const Captured result = run({program()}, "/");
  EXPECT_EQ(result.status, 0);
  EXPECT_NE(result.out.find("usage: bkdb"), std::string::npos);
}

TEST_F(CommandTest, NoStoreYetIs69) {
  ensure_directory(file("elsewhere"));
  EXPECT_EQ(run({program(), "--home", file("elsewhere"), "ls"}, "/").status, 69);
}

TEST_F(CommandTest, FullDiskBelowStandardOutputIs74) {
  write("t/x", std::string(100000, 'x'));
  (void)back_up("t", {});
  Command command;
  command.argv = {program(), "--home", home(), "cat", "0", "x"};
  command.environment = base_environment("/");
  const Fd full = open_file("/dev/full", O_WRONLY);
  command.stdout_fd = full.get();
  EXPECT_EQ(start(command).wait(), 74);
}

TEST_F(CommandTest, BuildRecreatesIndexCatalogAndViews) {  // I3
  fill();
  const std::string before = bkdb({"ls"}).out;
  store_.reset();
  remove_tree(home() + "/index");
  remove_tree(home() + "/data");
  replace_durably(home() + "/catalog.db", "garbage that is no database at all");
  const Captured result = bkdb({"build"});
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_EQ(bkdb({"ls"}).out, before);
  EXPECT_EQ(server::Catalog(home() + "/catalog.db").size(), 3U);
  EXPECT_EQ(list_directory(home() + "/data/web1/sftp").size(), 2U);
  EXPECT_EQ(bkdb({"verify"}).status, 0);
}

TEST_F(CommandTest, BuildKilledAtAnyStepIsFinishedByTheNext) {
  fill();
  for (const char* step :
       {"store.rebuild-begun", "store.rebuild-emptied", "store.rebuild-packs", "store.possession-rebuilt",
        "bkdb.build_index", "catalog.before_commit", "catalog.replace_all", "bkdb.build_catalog",
        "views.rebuild", "bkdb.build_views"}) {
    store_.reset();
    remove_tree(home() + "/data");
    EXPECT_EQ(bkdb({"build"}, {std::string("BACKLINE_CRASH_AT=") + step}).status, 137) << step;
    EXPECT_EQ(bkdb({"build"}).status, 0) << step;
    EXPECT_EQ(list_directory(home() + "/data/web1/sftp").size(), 2U) << step;
  }
}

TEST_F(CommandTest, BuildNamesWhatIsMissingAndMakesTheRest) {
  fill();
  ASSERT_EQ(bkdb({"build"}).status, 0);
  const std::vector<store::SnapshotRecord> all = store_->snapshots();
  store_.reset();
  const std::string folder = home() + "/store/snapshots/web1/", journal = read_file(folder + "journal");
  const std::string object = folder + "00000000000000000002.snapshot", record = read_file(object);
  // The newest line and its object: nothing in the store tells of it any more, the old catalog does.
  const std::string lost = "snapshot " + Sha256::of(record).hex().substr(0, 12);
  const std::size_t head = journal.find('\n') + 1, line = (journal.size() - head) / 2;
  replace_durably(folder + "journal", journal.substr(0, head + line));
  remove_durably(object);
  Captured result = bkdb({"build"});
  EXPECT_EQ(result.status, 65);
  EXPECT_NE(result.err.find(lost), std::string::npos) << result.err;
  EXPECT_EQ(bkdb({"build"}).status, 0) << "said once";
  // An object whose line is there.
  replace_durably(folder + "journal", journal);
  result = bkdb({"build"});
  EXPECT_EQ(result.status, 65);
  EXPECT_NE(result.err.find("00000000000000000002.snapshot\" is missing"), std::string::npos) << result.err;
  EXPECT_EQ(server::Catalog(home() + "/catalog.db").size(), 2U);
  // The first line.
  replace_durably(object, record);
  replace_durably(folder + "journal", journal.substr(0, head) + journal.substr(head + line));
  EXPECT_EQ(bkdb({"build"}).status, 65);
  replace_durably(folder + "journal", journal);
  ASSERT_EQ(bkdb({"build"}).status, 0);
  EXPECT_EQ(server::Catalog(home() + "/catalog.db").size(), 3U);
  // The object alone: it is missing, and that is all.
  remove_durably(object);
  result = bkdb({"build"});
  EXPECT_EQ(result.status, 65);
  EXPECT_NE(result.err.find("is missing"), std::string::npos) << result.err;
  EXPECT_EQ(result.err.find("old catalog"), std::string::npos) << result.err;
  replace_durably(object, record);
  ASSERT_EQ(bkdb({"build"}).status, 0);
  // All of a client.
  ASSERT_EQ(::rename(folder.c_str(), (home() + "/aside").c_str()), 0);
  result = bkdb({"build"});
  EXPECT_EQ(result.status, 65);
  EXPECT_NE(result.err.find("client \"web1\" had snapshots"), std::string::npos) << result.err;
}

TEST_F(CommandTest, LostMirrorIsRebuiltAndStockGitTakesIt) {
  const std::vector<std::string> as_user = {"HOME=" + file("nohome"), "GIT_AUTHOR_NAME=a",
                                            "GIT_AUTHOR_EMAIL=a@b", "GIT_COMMITTER_NAME=a",
                                            "GIT_COMMITTER_EMAIL=a@b"};
  ASSERT_EQ(run({"git", "init", "-q", "--bare", "-b", "main", file("x.git")}, "/").status, 0);
  ASSERT_EQ(run({"git", "clone", "-q", file("x.git"), file("work")}, "/").status, 0);
  write("work/a", "content");
  ASSERT_EQ(run({"git", "-C", file("work"), "add", "a"}, "/").status, 0);
  ASSERT_EQ(run({"git", "-C", file("work"), "commit", "-qm", "one"}, "/", as_user).status, 0);
  ASSERT_EQ(run({"git", "-C", file("work"), "push", "-q", "origin", "HEAD:main"}, "/").status, 0);
  ASSERT_EQ(run({"git", "-C", file("x.git"), "pack-refs", "--all"}, "/").status, 0);
  remove_tree(file("x.git/hooks"));
  (void)back_up("x.git", {.module = "git", .method = "git", .name = "/srv/x"});
  const std::string mirror = pull::git_view_path(home(), "web1", "/srv/x");
  for (const bool force : {false, true}) {
    const Captured built = force ? bkdb({"--force", "build"}) : bkdb({"build"});
    ASSERT_EQ(built.status, 0) << built.err;
    EXPECT_NE(built.out.find("1 git mirrors"), std::string::npos) << built.out;
    EXPECT_EQ(run({"git", "-C", mirror, "fsck", "--strict"}, "/").status, 0);
    const std::string clone = file(force ? "clone2" : "clone1");
    ASSERT_EQ(run({"git", "clone", "-q", mirror, clone}, "/").status, 0);
    EXPECT_EQ(read_file(clone + "/a"), "content");
  }
  EXPECT_NE(bkdb({"build"}).out.find("0 git mirrors"), std::string::npos);
}

// A folder that a mirror could be made from; no git needed.
void write_mirror(const std::string& folder, const std::string& pack) {
  for (const char* part : {"", "/objects", "/objects/pack", "/refs"}) ensure_directory(folder + part);
  replace_durably(folder + "/HEAD", "ref: refs/heads/main\n");
  replace_durably(folder + "/objects/pack/pack-" + std::string(40, 'a') + ".pack", pack);
}

TEST_F(CommandTest, OneDamagedGitSnapshotKeepsNoOtherMirrorFromBeingMade) {
  std::string lost(5000, '\0');
  for (std::size_t i = 0; i < lost.size(); ++i) lost[i] = static_cast<char>(i * i * 31 + (i >> 3U));
  for (const char* name : {"a", "b", "c"}) {
    write_mirror(file(name), name == std::string("b") ? lost : std::string("pack ") + name);
    (void)back_up(name, {.module = "git", .method = "git", .name = std::string("/srv/") + name});
  }
  // b's pack is named by its tree, but a stretch of it is gone from the disk.
  store_.reset();
  for (const std::string& name : list_directory(home() + "/store/journal")) {
    const std::string path = home() + "/store/journal/" + name;
    std::string bytes = read_file(path);
    const std::size_t at = bytes.find(lost.substr(1000, 64));
    if (at == std::string::npos) continue;
    bytes[at] = static_cast<char>(bytes[at] ^ 1);
    replace_durably(path, bytes);
  }
  const Captured result = bkdb({"build"});
  EXPECT_EQ(result.status, 65) << result.out << result.err;
  EXPECT_NE(result.err.find("/git/srv/b.git\": damaged: snapshot "), std::string::npos) << result.err;
  EXPECT_NE(result.out.find("2 git mirrors"), std::string::npos) << result.out;
  EXPECT_EQ(list_directory(home() + "/data/web1/git/srv"), (std::vector<std::string>{"a.git", "c.git"}));
}

TEST_F(CommandTest, ListingNeedsNoCatalog) {
  fill();
  replace_durably(home() + "/catalog.db", "garbage");
  EXPECT_EQ(bkdb({"ls"}).status, 0);
}

TEST_F(CommandTest, ViewHoldsTheRecordAndSaysWhoseItIs) {
  write("t/a", "x");
  const auto record = back_up("t", {.name = "/srv/caf\xc3\xa9 x"});
  server::update_view(home(), record);
  server::update_view(home(), record);
  const std::string folder =
      home() + "/" + server::view_folder("web1", "directories", "rsync", "/srv/caf\xc3\xa9 x");
  EXPECT_NE(folder.find("srv_caf___x."), std::string::npos) << folder;
  EXPECT_EQ(list_directory(folder), (std::vector<std::string>{server::view_file_name(record), "source.txt"}));
  EXPECT_EQ(store::parse_snapshot(read_file(folder + "/" + server::view_file_name(record))).name,
            record.name);
}

TEST_F(CommandTest, RebuiltViewsDropWhatTheStoreDoesNotKnowAndKeepForeignFiles) {
  fill();
  const std::string folder = home() + "/" + server::view_folder("web2", "directories", "rsync", "/srv");
  replace_durably(folder + "/20130905T013530Z_0123456789ab.txt", "no such snapshot");
  replace_durably(folder + "/notes", "mine");
  server::rebuild_views(home(), store_->snapshots());
  EXPECT_EQ(list_directory(folder).size(), 3U);
  EXPECT_TRUE(path_exists(folder + "/notes"));
}

}  // namespace
}  // namespace bk::test
