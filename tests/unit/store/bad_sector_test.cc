// A file of a store that the disk does not give back, as a whole or in part: nobody else is worse for it.
#include "server/store/bad_sectors.h"
#include "server/store/left_out.h"
#include "tests/unit/store/bad_sector_fixture.h"

#include <algorithm>
#include <cerrno>

namespace bk::store {
namespace {

using namespace test;  // NOLINT: builders

TEST_F(BadSectorTest, AJournalWithOneClosesTheStoreToNobody) {
  const std::string before = read_file(journal_);
  damage(journal_);
  {
    const auto store = open();
    expect_the_middle_is_lost(*store);
    EXPECT_EQ(store->snapshots().size(), 1U);
    (void)commit(*store, "web2", {{"d", "another client's"}});
    (void)commit(*store, "web1", {{"a", first_}, {"e", "more"}});
    EXPECT_EQ(read_of(*store, "more"), Read::Good);
  }
  EXPECT_EQ(open()->snapshots().size(), 3U);
  EXPECT_EQ(read_of(*Store::open_to_read(home() + "/store"), first_), Read::Good);
  bad_disk.good();
  EXPECT_EQ(read_file(journal_), before);
  EXPECT_EQ(read_of(*open(), middle_), Read::Good);
  EXPECT_EQ(problems(*open()), std::vector<std::string>{});
}

TEST_F(BadSectorTest, WhatTheFileSystemSaysOfItsOwnRecordsIsTheSame) {
  for (const int code : {EUCLEAN, EBADMSG, ENODATA}) {
    damage(journal_);
    bad_disk.code = code;
    expect_the_middle_is_lost(*open());
    bad_disk.good();
  }
  damage(journal_);
  bad_disk.code = ENOMEM;  // says nothing of the disk
  EXPECT_THROW((void)open(), Error);
}

TEST_F(BadSectorTest, ACheckSaysWhereAndThatItCannotReadAndMarksNothing) {
  damage(journal_);
  const auto store = open();
  store->read_past_bad_sectors(true);
  EXPECT_THROW((void)store->read(ObjectKind::Data, id_of(middle_)), Unreadable);
  std::vector<PackProblem> found;
  const PackTotals totals =
      store->check_packs({}, [&](const PackProblem& problem) { found.push_back(problem); }, {});
  ASSERT_EQ(found.size(), 1U);
  EXPECT_TRUE(found[0].unreadable);
  EXPECT_NE(found[0].text.find(journal_ + "\" cannot be read at offset " + std::to_string(place_)),
            std::string::npos)
      << found[0].text;
  EXPECT_EQ(totals.unreadable, 1U);
  EXPECT_EQ(totals.damaged, 0U);
  EXPECT_FALSE(path_exists(home() + "/index/damaged"));
}

TEST_F(BadSectorTest, TheClientSendsWhatCannotBeReadAgainAndHealEmptiesTheFile) {
  damage(journal_);
  {
    const auto store = open();
    const std::vector<HealEvent> events = heal(*store);
    ASSERT_EQ(events.size(), 1U);
    EXPECT_EQ(events[0].what, What::PackDamaged);
    EXPECT_FALSE(path_exists(journal_));
    ASSERT_EQ(packs().size(), 1U);
    EXPECT_EQ(events[0].path, packs()[0]);
  }
  const unsigned tried = bad_disk.failures;
  const auto store = open();
  EXPECT_EQ(bad_disk.failures, tried);  // nobody who opens the store reads it again
  expect_the_middle_is_lost(*store);
  const ChunkId id = id_of(middle_);
  EXPECT_FALSE(store->writer("web1", "wiki", "rsync", "/srv")->possession().has({&id, 1})[0]);
  (void)commit(*store, "web1", {{"a", first_}, {"b", middle_}, {"c", last_}});
  EXPECT_EQ(read_of(*store, middle_), Read::Good);
  const std::vector<HealEvent> events = heal(*open());
  ASSERT_GE(events.size(), 1U);
  EXPECT_EQ(events.back().what, What::PackRepaired);
  bad_disk.good();
  EXPECT_EQ(problems(*open()), std::vector<std::string>{});
  for (const std::string& content : {first_, middle_, last_})
    EXPECT_EQ(read_of(*open(), content), Read::Good);
}

TEST_F(BadSectorTest, HealTellsWhatCannotBeReadFromWhatIsDamaged) {
  seal_all(*open());
  const std::string pack = packs().at(0);
  const auto heal_one = [&](bool unreadable) {
    const std::vector<HealEvent> events = heal(*open());
    ASSERT_EQ(events.size(), 1U) << events[0].detail;
    EXPECT_EQ(events[0].what, What::PackDamaged);
    EXPECT_EQ(events[0].unreadable, unreadable) << events[0].detail;
    EXPECT_EQ(totals_.damaged, 1U);
    EXPECT_EQ(totals_.packs_unreadable, unreadable ? 1U : 0U);
    EXPECT_EQ(totals_.files_damaged, 0U);
  };
  bad_disk.damage(pack, 64, UINT64_MAX);  // more than parity brings back
  heal_one(true);
  bad_disk.good();
  bad_disk.closed[pack] = EIO;
  heal_one(true);
  bad_disk.good();
  std::string bytes = read_file(pack);
  bytes.replace(place_, 2U << 20U, 2U << 20U, 'x');
  replace_durably(pack, bytes);
  heal_one(false);
  bad_disk.damage(pack, 64, 128);  // both, in one stretch
  EXPECT_EQ(heal(*open()).size(), 2U);
  EXPECT_EQ(totals_.packs_unreadable, 1U);
  EXPECT_EQ(totals_.files_damaged - totals_.files_unreadable, 1U);
}

TEST_F(BadSectorTest, AChunkThatStandsNowhereIsDamageBesideAPackThatCannotBeRead) {
  seal_all(*open());
  const std::string kept = packs().at(0);
  (void)commit(*open(), "web2", {{"d", noise(50000, 4)}});
  seal_all(*open());
  for (const std::string& path : packs())
    if (path != kept) remove_durably(path);
  remove_tree(home() + "/index");
  (void)open();  // so the index knows the one and not the other
  bad_disk.closed[kept] = EIO;
  const std::vector<HealEvent> events = heal(*open());
  ASSERT_EQ(events.size(), 2U);
  EXPECT_EQ(events[0].what, What::FileDamaged);
  EXPECT_FALSE(events[0].unreadable) << events[0].detail;
  EXPECT_EQ(events[1].path, kept);
  EXPECT_TRUE(events[1].unreadable) << events[1].detail;
  EXPECT_EQ(totals_.files_damaged - totals_.files_unreadable, 1U);
  EXPECT_EQ(totals_.damaged - totals_.packs_unreadable, 0U);
}

TEST_F(BadSectorTest, WhatARunKnowsOfAJournalIsAbsentOnceHealHasLooked) {
  const std::string large = noise(3U << 20U, 8), other = noise(3U << 20U, 9);
  (void)commit(*open(), "web1", {{"large", large}, {"other", other}});  // worth a run
  const std::uint64_t at = place_of(*open(), large);
  bad_disk.damage(journal_, at, at + 100);
  const ChunkId id = id_of(large);
  EXPECT_TRUE(open()->present(ObjectKind::Data, {&id, 1})[0]);
  const std::vector<HealEvent> events = heal(*open());
  ASSERT_EQ(events.size(), 1U);
  EXPECT_EQ(events[0].what, What::PackDamaged);
  const auto store = open();
  EXPECT_FALSE(store->present(ObjectKind::Data, {&id, 1})[0]);
  EXPECT_EQ(read_of(*store, large), Read::Io);
  for (const std::string& content : {other, last_}) EXPECT_EQ(read_of(*store, content), Read::Good);
}

TEST_F(BadSectorTest, AnotherCopyMakesTheJournalWhole) {
  const std::string copy = home() + "/copy";
  ASSERT_EQ(::system(("cp -a " + home() + "/store " + copy).c_str()), 0);  // NOLINT: our own folder
  damage(journal_);
  const std::vector<HealEvent> events = heal(*open(), copy);
  ASSERT_EQ(events.size(), 1U);
  EXPECT_EQ(events[0].what, What::PackCopied);
  EXPECT_EQ(problems(*open()), std::vector<std::string>{});
  EXPECT_EQ(read_of(*open(), middle_), Read::Good);
}

TEST_F(BadSectorTest, AJournalThatCannotBeOpenedIsNamedAndLeftAlone) {
  for (const int code : {EIO, EUCLEAN}) {
    bad_disk.closed[journal_] = code;
    const auto store = open();
    EXPECT_EQ(read_of(*store, first_), Read::Io);
    (void)commit(*store, "web2", {{"d", std::to_string(code)}});
    EXPECT_EQ(read_of(*store, std::to_string(code)), Read::Good);
    const std::vector<std::string> found = problems(*open());
    ASSERT_EQ(found.size(), 1U);
    EXPECT_NE(found[0].find(journal_), std::string::npos) << found[0];
    const std::vector<HealEvent> events = heal(*open());
    ASSERT_EQ(events.size(), 1U);
    EXPECT_EQ(events[0].what, What::PackDamaged);
    EXPECT_EQ(events[0].path, journal_);
    try {
      (void)open()->clean({});
      ADD_FAILURE() << "what has to stay cannot be read";
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), Kind::Refused) << error.what();
    }
    bad_disk.good();
    EXPECT_EQ(read_of(*open(), first_), Read::Good);
  }
}

TEST_F(BadSectorTest, ADeadFileIsGivenUpSoon) {
  bad_disk.damage(journal_, 0, UINT64_MAX);
  const auto store = open();
  EXPECT_LT(bad_disk.failures, 80U);
  const unsigned tried = bad_disk.failures;
  (void)commit(*store, "web2", {{"d", "x"}, {"e", noise(1U << 20U, 9)}});
  EXPECT_LT(bad_disk.failures, tried + 80);  // one writer looks once whether it can go on with it
}

TEST_F(BadSectorTest, OnlyTheBadBlocksOfALongStretchAreLost) {
  for (const std::uint64_t blocks : {1U, 2U, 3U, 7U, 100U, 256U}) {
    bad_disk.damage(journal_, place_, place_ + blocks * 4096);
    const std::unique_ptr<FileReader> file = open_reader(journal_);
    BadSectors bad;
    PatientReader reader(*file, bad);
    std::string bytes(file->size(), '\0');
    ASSERT_EQ(reader.read(0, bytes.data(), bytes.size()), bytes.size());
    EXPECT_TRUE(bad.overlaps(place_, place_ + 1));
    EXPECT_FALSE(bad.overlaps(0, place_));
    EXPECT_TRUE(bad.overlaps(place_ + blocks * 4096 - 1, UINT64_MAX));
    EXPECT_FALSE(bad.overlaps(place_ + blocks * 4096, UINT64_MAX));
    bad_disk.good();
    std::string whole = read_file(journal_);
    whole.replace(place_, blocks * 4096, blocks * 4096, '\0');
    EXPECT_EQ(bytes, whole);
  }
}

TEST_F(BadSectorTest, AHeaderThatCannotBeReadComesFromAnotherCopy) {
  const std::string header = home() + "/store/header", copy = home() + "/copy";
  seal_all(*open());
  ASSERT_EQ(::system(("cp -a " + home() + "/store " + copy).c_str()), 0);  // NOLINT: our own folder
  bad_disk.damage(header, 0, 4096);
  bad_disk.damage(packs().at(0), 0, 4096);
  EXPECT_THROW((void)open(), Error);
  EXPECT_TRUE(Store::heal_header(home() + "/store", copy));
  EXPECT_EQ(read_of(*open(), last_), Read::Good);
}

TEST_F(BadSectorTest, ACleanGoesOnBesideAPackThatCannotBeRead) {
  seal_all(*open());
  const SnapshotRecord gone = commit(*open(), "web2", {{"d", noise(2U << 20U, 4)}});
  seal_all(*open());
  // Of the first pack only what no snapshot leads to any more, and not as a whole.
  const SnapshotRecord old = open()->newest("web1", "wiki", "rsync", "/srv").value();
  (void)commit(*open(), "web1", {{"a", first_}, {"c", last_}});
  {
    const auto store = open();
    store->mark_snapshots("web1", {MarkKind::Removal, {}, {}, {}}, {&old.id, 1});
    store->mark_snapshots("web2", {MarkKind::Removal, {}, {}, {}}, {&gone.id, 1});
  }
  for (const std::string& path : packs())
    if (open_reader(path)->size() > (5U << 19U)) damage(path);
  ASSERT_EQ(bad_disk.sectors.size(), 1U);
  const CleanTotals totals = open()->clean({});
  EXPECT_GE(totals.packs_damaged, 1U);
  EXPECT_NE(totals.problem.find(".pack\" cannot be read at offset "), std::string::npos) << totals.problem;
  EXPECT_NE(totals.problem.find("Input/output error"), std::string::npos) << totals.problem;
  EXPECT_GE(totals.packs_removed, 1U);
  expect_the_middle_is_lost(*open());
}

TEST_F(BadSectorTest, ACleanThatCannotReadWhatItCondemnedSaysWhichFileAndWhy) {
  const SnapshotRecord gone = commit(*open(), "web2", {{"d", noise(50000, 4)}});
  seal_all(*open());
  open()->mark_snapshots("web2", {MarkKind::Removal, {}, {}, {}}, {&gone.id, 1});
  const std::string folder = home() + "/index/condemned";
  std::string run;
  before_rename = [&](const std::string& path) {
    if (path != folder + "/header") return false;
    for (const std::string& name : files_in(folder))
      if (name.ends_with(".run")) bad_disk.closed[run = name] = EIO;
    return true;
  };
  const auto clean = [&]() -> std::string {
    try {
      (void)open()->clean({});
      return {};
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), Kind::Io);
      return error.what();
    }
  };
  const std::string said = clean();
  before_rename = nullptr;
  ASSERT_FALSE(run.empty());
  EXPECT_NE(said.find(run), std::string::npos) << said;
  EXPECT_NE(said.find("Input/output error"), std::string::npos) << said;
  EXPECT_EQ(clean(), "");
  EXPECT_EQ(problems(*open()), std::vector<std::string>{});
}

TEST_F(BadSectorTest, ASnapshotThatCannotBeReadHidesNoOther) {
  const SnapshotRecord second = commit(*open(), "web1", {{"a", "2"}});
  (void)commit(*open(), "web1", {{"a", "3"}});
  (void)commit(*open(), "web2", {{"a", "other"}});
  const std::string object = home() + "/store/snapshots/web1/00000000000000000003.snapshot";
  for (const bool closed : {true, false}) {
    bad_disk.good();
    if (closed)
      bad_disk.closed[object] = EIO;
    else
      bad_disk.damage(object, 0, 4096);
    const auto store = open();
    std::vector<std::string> left_out;
    const auto leave_out = [&](const std::string& problem) { left_out.push_back(problem); };
    EXPECT_EQ(store->snapshots({}, leave_out).size(), 3U);
    ASSERT_EQ(left_out.size(), 1U);
    EXPECT_NE(left_out[0].find("00000000000000000003.snapshot"), std::string::npos) << left_out[0];
    EXPECT_TRUE(left_out[0].starts_with(kCannotRead)) << left_out[0];
    EXPECT_EQ(store->newest("web1", "wiki", "rsync", "/srv")->id, second.id);
    EXPECT_EQ(problems(*store).size(), 1U);
    const std::vector<HealEvent> events = heal(*store);
    ASSERT_EQ(events.size(), 1U);
    EXPECT_EQ(events[0].what, What::FileDamaged);
    EXPECT_EQ(events[0].path, object);
    EXPECT_TRUE(events[0].unreadable);
    EXPECT_EQ(totals_.files_unreadable, 1U);
    EXPECT_THROW((void)store->clean({}), Error);
  }
  EXPECT_EQ(commit(*open(), "web1", {{"a", "4"}}).sequence, 4U);
}

TEST_F(BadSectorTest, AnInterruptedCommitThatCannotBeReadClosesTheStoreToNobody) {
  const std::string object = home() + "/store/snapshots/web1/00000000000000000002.snapshot";
  ASSERT_EQ(::system(("cp " + home() + "/store/snapshots/web1/00000000000000000001.snapshot " +  // NOLINT
                      object)
                         .c_str()),
            0);
  bad_disk.damage(object, 0, 4096);
  const auto store = open();
  (void)commit(*store, "web2", {{"a", "other"}});
  EXPECT_EQ(store->snapshots("web2").size(), 1U);
}

TEST_F(BadSectorTest, AClientsJournalThatCannotBeReadIsMadeAnewOfItsObjects) {
  const std::string journal = home() + "/store/snapshots/web1/journal";
  bad_disk.damage(journal, 0, 4096);
  const auto store = open();
  (void)commit(*store, "web2", {{"a", "other"}});
  EXPECT_EQ(store->snapshots({}, [](const std::string&) {}).size(), 1U);
  const std::vector<HealEvent> events = heal(*store);
  ASSERT_EQ(events.size(), 1U);
  EXPECT_EQ(events[0].what, What::FileMade);
  bad_disk.good();
  EXPECT_EQ(open()->snapshots().size(), 2U);
  EXPECT_EQ(problems(*open()), std::vector<std::string>{});
}

}  // namespace
}  // namespace bk::store
