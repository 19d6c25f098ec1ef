// The archive driver against a real sshd with OpenSSH's sftp-server.
#include "common/digest/sha256.h"
#include "common/error/error.h"
#include "common/io/file.h"
#include "server/pull/driver.h"
#include "server/store/tree.h"
#include "tests/support/sshd.h"

#include <gtest/gtest.h>

#include <random>

namespace bk::pull {
namespace {

std::string random_bytes(std::size_t count) {
  std::mt19937_64 random(count);
  std::string out(count, '\0');
  for (char& c : out) c = static_cast<char>(random());
  return out;
}

test::Sshd::Options sftp_only() {
  test::Sshd::Options options;
  options.key_options = "restrict,command=\"/usr/lib/openssh/sftp-server -R\" ";
  return options;
}

struct World {
  test::Sshd sshd{sftp_only()};
  test::TempDir dir;
  std::string place = dir.file("archive.tar");
  std::unique_ptr<store::Store> store = store::Store::open(dir.file("store"), true);
  std::size_t alive = 0;
  std::size_t break_after = SIZE_MAX;  // signs of life until the sshd is stopped

  Pulled pull(const std::string& claimed) {
    Job job;
    job.client = "web1";
    job.request.name = "/srv/wiki";
    job.request.place = place;
    job.request.method = "sftp";
    job.request.archive_bytes = claimed.size();
    job.request.archive_sha256 = Sha256::of(claimed).hex();
    const auto writer = store->writer("web1", "wiki", "sftp", "/srv/wiki");
    Surroundings around{dir.file("home"),
                        BK_BIN,
                        sshd.endpoint(),
                        *store,
                        *writer,
                        {},
                        {1, 0},
                        std::chrono::seconds(60),
                        [&] {
                          if (++alive == break_after) sshd.stop();
                        }};
    Pulled out = pull_archive(job, around);
    writer->sync();
    return out;
  }
  std::string content(const Entry& entry) {
    std::string out;
    store::for_each_extent(*store, entry, [&](const Extent& extent) {
      out +=
          extent.kind == Extent::Kind::Inline ? extent.inline_data : store->read(ObjectKind::Data, extent.id);
    });
    return out;
  }
  std::string reason(const std::string& claimed) {
    try {
      (void)pull(claimed);
      return "accepted";
    } catch (const Error& error) {
      return error.what();
    }
  }
};

TEST(ArchivePull, WhatIsStoredHasTheClientsDigest) {
  World w;
  const std::string bytes = random_bytes(3000000);
  replace_durably(w.place, bytes);
  const Pulled pulled = w.pull(bytes);
  EXPECT_EQ(pulled.archive_sha256, Sha256::of(bytes).hex());
  EXPECT_EQ(w.content(pulled.root), bytes);
}

TEST(ArchivePull, AnEmptyArchiveIsAnArchive) {
  World w;
  replace_durably(w.place, "");
  EXPECT_EQ(w.pull("").root.size, 0U);
}

TEST(ArchivePull, ACutIsResumedBehindWhatWasStored) {
  World w;
  const std::string bytes = random_bytes(20000000);
  replace_durably(w.place, bytes);
  w.break_after = 60;
  EXPECT_THROW((void)w.pull(bytes), Error);
  ASSERT_EQ(list_directory(w.dir.file("home/tmp/archives")).size(), 1U);
  w.sshd.start();
  const Pulled pulled = w.pull(bytes);
  EXPECT_EQ(w.content(pulled.root), bytes);
  pulled.committed("");
  EXPECT_TRUE(list_directory(w.dir.file("home/tmp/archives")).empty());
}

TEST(ArchivePull, AnArchiveThatIsNotTheOneOfTheRequestIsRefusedAndReadAnewNextTime) {
  World w;
  const std::string bytes = random_bytes(100000);
  std::string other = bytes;
  other[50000] ^= 1;
  replace_durably(w.place, other);
  EXPECT_NE(w.reason(bytes).find("came, the request says"), std::string::npos);
  replace_durably(w.place, bytes);
  EXPECT_EQ(w.reason(bytes), "accepted");
}

TEST(ArchivePull, AnotherLengthIsSaidBeforeAnythingIsRead) {
  World w;
  replace_durably(w.place, "short");
  EXPECT_NE(w.reason("longer than that").find("has 5 bytes on the client"), std::string::npos);
}

}  // namespace
}  // namespace bk::pull
