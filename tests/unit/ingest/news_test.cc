#include "server/ingest/news.h"

#include "common/io/file.h"
#include "server/ingest/receipts.h"
#include "tests/unit/ingest/installation.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

namespace bk::server {
namespace {

using test::Installation;
using test::request;

void look_after(const Installation& at) {
  (void)at.run();
  note_looked_after(at.path());
}

TEST(News, APushAndWhatBecameOfItAreNewsUntilTheyWereLookedAfter) {
  const Installation at;
  EXPECT_FALSE(has_news(at.path())) << "never pushed to";
  at.push({request(1)});
  EXPECT_TRUE(has_news(at.path()));
  (void)at.run();
  EXPECT_TRUE(has_news(at.path())) << "ingested by a hook, which cannot keep it small";
  look_after(at);
  EXPECT_FALSE(has_news(at.path()));
  proto::Receipt receipt;
  receipt.id = request(1).id;
  receipt.outcome = proto::Outcome::Ok;
  ReceiptBook(at.path()).put({receipt});
  EXPECT_TRUE(has_news(at.path())) << "receipts make the repository grow, too";
  look_after(at);
  EXPECT_FALSE(has_news(at.path()));
}

TEST(News, WhatAKilledPushLeavesIsNews) {
  const Installation at;
  at.push({request(1)});
  look_after(at);
  for (const std::string left : {"/objects/tmp_objdir-incoming-x", "/objects/pack/tmp_pack_x",
                                 "/refs/heads/requests.lock", "/refs/heads/receipts.lock"}) {
    ensure_directory(at.path() + "/objects/pack");
    replace_durably(at.path() + left, "");
    EXPECT_TRUE(has_news(at.path())) << left;
    remove_durably(at.path() + left);
    EXPECT_FALSE(has_news(at.path())) << left;
  }
}

TEST(News, WhatCannotBeReadAtOnceIsNewsAndIsNotWaitedFor) {
  const Installation at;
  at.push({request(1)});
  look_after(at);
  for (const std::string file :
       {"/refs/heads/requests", "/refs/heads/receipts", "/backline/cursor", "/backline/looked-after"}) {
    const std::string path = at.path() + file;
    const std::string before = read_file(path);
    remove_durably(path);
    ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
    EXPECT_TRUE(has_news(at.path())) << file;
    remove_durably(path);
    EXPECT_TRUE(has_news(at.path())) << file << " is gone";
    replace_durably(path, before);
    EXPECT_FALSE(has_news(at.path()));
  }
  EXPECT_FALSE(has_news(at.home() + "/repositories/nobody.git"));
}

}  // namespace
}  // namespace bk::server
