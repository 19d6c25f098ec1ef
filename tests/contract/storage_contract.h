// What every Storage promises (common/storage/storage.h), as one suite.  A test program of an implementation
// includes this once and says INSTANTIATE_TEST_SUITE_P(Name, StorageContract, testing::Values(maker)).
#pragma once

#include "common/error/error.h"
#include "common/io/file.h"
#include "common/storage/storage.h"
#include "tests/support/temp_dir.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

namespace bk::test {

// Opens the storage that belongs to this folder of a test; a second call gives another view of the same
// objects.
using StorageMaker = std::function<std::shared_ptr<Storage>(const std::string& folder)>;

class StorageContract : public testing::TestWithParam<StorageMaker> {
 protected:
  [[nodiscard]] std::shared_ptr<Storage> open_again() { return GetParam()(dir_.file("objects")); }
  [[nodiscard]] std::string file(const std::string& bytes) {
    const std::string path = dir_.file("local-" + std::to_string(++files_));
    EXPECT_TRUE(create_durably(path, bytes));
    return path;
  }
  [[nodiscard]] std::vector<std::string> names(const std::string& prefix, const std::string& after = {},
                                               std::size_t most = 1000) {
    std::vector<std::string> out;
    for (const ListedObject& object : storage_->list(prefix, after, most)) out.push_back(object.name);
    return out;
  }
  [[nodiscard]] std::string get(const std::string& name) {
    return storage_->get(name, 64U << 20U).value_or("(nothing)");
  }
  TempDir dir_;
  std::shared_ptr<Storage> storage_ = open_again();

 private:
  int files_ = 0;
};

TEST_P(StorageContract, WhatWasPutIsReadByEveryView) {
  ASSERT_TRUE(storage_->put("packs/00/a.pack", "content"));
  EXPECT_EQ(get("packs/00/a.pack"), "content");
  EXPECT_EQ(open_again()->get("packs/00/a.pack", 100), "content");
  ASSERT_TRUE(storage_->put("empty", ""));
  EXPECT_EQ(get("empty"), "");
}

TEST_P(StorageContract, ASecondPutOfANameSaysSoAndChangesNothing) {
  ASSERT_TRUE(storage_->put("name", "first"));
  EXPECT_FALSE(storage_->put("name", "second, and longer"));
  EXPECT_FALSE(open_again()->put("name", ""));
  EXPECT_EQ(get("name"), "first");
}

TEST_P(StorageContract, WhatIsMissingIsAnAnswerAndNoError) {
  EXPECT_EQ(storage_->open("nothing/here"), nullptr);
  EXPECT_EQ(storage_->get("nothing", 10), std::nullopt);
  ASSERT_TRUE(storage_->put("file", "x"));
  EXPECT_EQ(storage_->open("file/below"), nullptr);
  ASSERT_TRUE(storage_->put("folder/below", "x"));
  EXPECT_EQ(storage_->open("folder"), nullptr);
  EXPECT_FALSE(storage_->exists("folder"));
}

TEST_P(StorageContract, RangesAreShortOnlyAtTheEnd) {
  std::string content;
  for (int i = 0; i < 100000; ++i) content += static_cast<char>(i * 31);
  ASSERT_TRUE(storage_->put("ranges", content));
  const auto reader = storage_->open("ranges");
  ASSERT_NE(reader, nullptr);
  EXPECT_EQ(reader->size(), content.size());
  std::string buffer(70000, '\0');
  reader->prefetch(0, content.size());
  EXPECT_EQ(reader->read(0, buffer.data(), 70000), 70000U);
  EXPECT_EQ(buffer, content.substr(0, 70000));
  EXPECT_EQ(reader->read(99990, buffer.data(), 70000), 10U);
  EXPECT_EQ(buffer.substr(0, 10), content.substr(99990));
  EXPECT_EQ(reader->read(100000, buffer.data(), 1), 0U);
  EXPECT_EQ(reader->read(1ULL << 40U, buffer.data(), 1), 0U);
  EXPECT_EQ(reader->read(5, buffer.data(), 0), 0U);
  try {
    (void)storage_->get("ranges", content.size() - 1);
    FAIL() << "larger than the limit";
  } catch (const Error& error) {
    EXPECT_EQ(error.sys_errno(), EFBIG);
  }
}

TEST_P(StorageContract, AListIsInTheOrderOfBytesAndHoldsSizes) {
  for (const char* name : {"a/x", "a-b", "a.b", "b/y/z", "b/y.z", "b/x", "A", "a0"})
    ASSERT_TRUE(storage_->put(name, name));
  const std::vector<std::string> all{"A", "a-b", "a.b", "a/x", "a0", "b/x", "b/y.z", "b/y/z"};
  EXPECT_EQ(names(""), all);
  EXPECT_EQ(names("a"), (std::vector<std::string>{"a-b", "a.b", "a/x", "a0"}));
  EXPECT_EQ(names("b/"), (std::vector<std::string>{"b/x", "b/y.z", "b/y/z"}));
  EXPECT_EQ(names("b/y"), (std::vector<std::string>{"b/y.z", "b/y/z"}));
  EXPECT_EQ(names("b/y/"), (std::vector<std::string>{"b/y/z"}));
  EXPECT_TRUE(names("c").empty());
  EXPECT_TRUE(names("b/y/z/").empty());
  EXPECT_EQ(storage_->list("b/y/", "", 9), (std::vector<ListedObject>{{"b/y/z", 5}}));
}

TEST_P(StorageContract, PagesSeeEverythingOnce) {
  std::vector<std::string> all;
  for (int i = 0; i < 60; ++i) {
    const std::string number = std::to_string(100 + i);
    all.push_back("p/" + number.substr(0, 2) + "/" + number + (i % 3 == 0 ? ".snapshot" : "-x"));
    ASSERT_TRUE(storage_->put(all.back(), "x"));
  }
  for (const std::size_t most : {1U, 7U, 60U, 1000U}) {
    std::vector<std::string> seen;
    for (std::string after;;) {
      const std::vector<std::string> page = names("p/", after, most);
      ASSERT_LE(page.size(), most);
      if (page.empty()) break;
      seen.insert(seen.end(), page.begin(), page.end());
      after = page.back();
    }
    EXPECT_EQ(seen, all) << most;
  }
  std::size_t visited = 0;
  for_each_object(*storage_, "p/", [&](const ListedObject&) { return ++visited < 10; });
  EXPECT_EQ(visited, 10U);
}

TEST_P(StorageContract, PartsAreWhatAFolderWouldCallItsSubfolders) {
  for (const char* name : {"s/web1/1", "s/web1/2", "s/web10/1", "s/web1.x/1", "s/file", "t/other/1"})
    ASSERT_TRUE(storage_->put(name, "x"));
  EXPECT_EQ(list_parts(*storage_, "s/"), (std::vector<std::string>{"web1.x", "web1", "web10"}));
  EXPECT_EQ(list_parts(*storage_, ""), (std::vector<std::string>{"s", "t"}));
  EXPECT_TRUE(list_parts(*storage_, "u/").empty());
}

TEST_P(StorageContract, RemovingTwiceIsFineAndTheNameIsFreeAgain) {
  ASSERT_TRUE(storage_->put("x/y", "first"));
  storage_->remove("x/y");
  storage_->remove("x/y");
  storage_->remove("never/was");
  EXPECT_EQ(storage_->open("x/y"), nullptr);
  EXPECT_TRUE(names("").empty());
  ASSERT_TRUE(storage_->put("x/y", "second"));
  EXPECT_EQ(get("x/y"), "second");
}

TEST_P(StorageContract, WhatIsOpenIsTheOldObjectOrGone) {
  ASSERT_TRUE(storage_->put("x", "old"));
  const auto reader = storage_->open("x");
  storage_->remove("x");
  ASSERT_TRUE(storage_->put("x", "new"));
  std::string buffer(3, '\0');
  try {
    EXPECT_EQ(reader->read(0, buffer.data(), 3), 3U);
    EXPECT_EQ(buffer, "old");
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Kind::NotFound);
  }
}

TEST_P(StorageContract, AnAdoptedFileIsAnObjectAndNoFileAnyMore) {
  const std::string content(3U << 20U, 'p');
  const std::string local = file(content);
  ASSERT_TRUE(storage_->adopt("packs/01/b.pack", local));
  EXPECT_FALSE(path_exists(local));
  EXPECT_EQ(get("packs/01/b.pack"), content);
}

TEST_P(StorageContract, AnInterruptedAdoptIsFinishedAndAnotherFileRefused) {
  ASSERT_TRUE(storage_->put("packs/01/b.pack", "the bytes"));
  const std::string again = file("the bytes"), other = file("others!!!");
  EXPECT_TRUE(storage_->adopt("packs/01/b.pack", again));
  EXPECT_FALSE(path_exists(again));
  EXPECT_FALSE(storage_->adopt("packs/01/b.pack", other));
  EXPECT_TRUE(path_exists(other));
  EXPECT_EQ(get("packs/01/b.pack"), "the bytes");
}

TEST_P(StorageContract, AReplacedObjectHasTheNewBytesAtOnce) {
  ASSERT_TRUE(storage_->put("packs/01/b.pack", "damaged"));
  const std::string healed = file("healed and longer");
  storage_->replace("packs/01/b.pack", healed);
  EXPECT_FALSE(path_exists(healed));
  EXPECT_EQ(get("packs/01/b.pack"), "healed and longer");
  storage_->replace("was/missing", file("new"));
  EXPECT_EQ(get("was/missing"), "new");
  EXPECT_EQ(names(""), (std::vector<std::string>{"packs/01/b.pack", "was/missing"}));
}

TEST_P(StorageContract, StrangeNamesAreRefused) {
  const std::string long_name(kMaxNameBytes + 1, 'x');
  for (const std::string name : {"", "/", "/a", "a/", "a//b", ".", "..", "../x", "a/../b", ".hidden", "a/.b",
                                 "-a", "a b", "a\n", "caf\xc3\xa9", "a*", "a\\b", long_name.c_str()}) {
    EXPECT_FALSE(is_object_name(name)) << name;
    for (const auto& call : std::vector<std::function<void()>>{
             [&] { (void)storage_->put(name, "x"); }, [&] { (void)storage_->open(name); },
             [&] { storage_->remove(name); }, [&] { (void)storage_->adopt(name, "/nowhere"); }}) {
      try {
        call();
        ADD_FAILURE() << name;
      } catch (const Error& error) {
        EXPECT_EQ(error.kind(), Kind::Usage) << name;
      }
    }
  }
  ASSERT_TRUE(storage_->put("A0._-z/9.pack", "x"));
}

TEST_P(StorageContract, OfManyPutsOfOneNameExactlyOneMakesIt) {
  constexpr int kThreads = 8, kRounds = 20;
  for (int round = 0; round < kRounds; ++round) {
    const std::string name = "race/" + std::to_string(round);
    std::atomic<int> made = 0, winner = -1;
    std::vector<std::thread> threads;
    for (int i = 0; i < kThreads; ++i) {
      threads.emplace_back([&, i] {
        const std::string bytes(std::size_t{1000} * (i + 1), static_cast<char>('a' + i));
        if (!open_again()->put(name, bytes)) return;
        ++made;
        winner = i;
      });
    }
    for (std::thread& thread : threads) thread.join();
    ASSERT_EQ(made, 1);
    const std::string bytes(std::size_t{1000} * (winner + 1), static_cast<char>('a' + winner));
    EXPECT_EQ(get(name), bytes);
  }
}

TEST_P(StorageContract, WhoeverSeesAnObjectSeesItWhole) {
  const std::string bytes(1U << 20U, 'w');
  std::atomic<bool> done = false;
  std::thread writer([&] {
    const auto view = open_again();
    for (int i = 0; i < 20; ++i) (void)view->put("whole/" + std::to_string(i), bytes);
    done = true;
  });
  while (!done) {
    for (const ListedObject& object : storage_->list("whole/", "", 100)) {
      EXPECT_EQ(object.bytes, bytes.size());
      EXPECT_EQ(get(object.name), bytes);
    }
  }
  writer.join();
  EXPECT_EQ(names("whole/").size(), 20U);
}

}  // namespace bk::test
