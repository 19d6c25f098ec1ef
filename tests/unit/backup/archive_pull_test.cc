// The archive driver against a real sshd with OpenSSH's sftp-server.
#include "common/digest/sha256.h"
#include "common/error/error.h"
#include "common/io/file.h"
#include "server/pull/driver.h"
#include "server/store/tree.h"
#include "tests/support/long_way.h"
#include "tests/support/sshd.h"

#include <gtest/gtest.h>

#include <random>
#include <thread>

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
  std::optional<std::uint16_t> port;   // of something in front of it
  std::chrono::milliseconds idle{60000}, total{60000}, busy{0};
  bool progressed = false;

  Pulled pull(const std::string& claimed) {
    Job job;
    job.client = "web1";
    job.request.name = "/srv/wiki";
    job.request.place = place;
    job.request.method = "sftp";
    job.request.archive_bytes = claimed.size();
    job.request.archive_sha256 = Sha256::of(claimed).hex();
    const auto writer = store->writer("web1", "wiki", "sftp", "/srv/wiki");
    ssh::Endpoint endpoint = sshd.endpoint();
    endpoint.address.port = port.value_or(endpoint.address.port);
    endpoint.idle_timeout = idle;
    Surroundings around{dir.file("home"), BK_BIN, endpoint, *store, *writer, {}, {1, 0}, total, [&] {
                          std::this_thread::sleep_for(busy);
                          if (++alive == break_after) sshd.stop();
                        }};
    try {
      Pulled out = pull_archive(job, around);
      writer->sync();
      return out;
    } catch (const Error&) {
      progressed = around.progressed;
      throw;
    }
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

Kind kind_of(World& w, const std::string& bytes) {
  try {
    (void)w.pull(bytes);
  } catch (const Error& error) {
    return error.kind();
  }
  ADD_FAILURE() << "it was pulled";
  return Kind::Io;
}

TEST(ArchivePull, AFrozenLineIsNoticedAndWhatCameIsKept) {
  World w;
  const std::string bytes = random_bytes(20000000);
  replace_durably(w.place, bytes);
  const test::LongWay way(w.sshd.port(), {"--stall-after", "8000000"});
  w.port = way.port();
  w.idle = std::chrono::milliseconds(500);
  EXPECT_EQ(kind_of(w, bytes), Kind::Transient);
  EXPECT_TRUE(w.progressed);
  w.idle = std::chrono::seconds(60);
  EXPECT_EQ(w.content(w.pull(bytes).root), bytes);
}

TEST(ArchivePull, ATimeLimitSuspendsAndEachRunGetsFurther) {
  World w;
  const std::string bytes = random_bytes(10000000);
  replace_durably(w.place, bytes);
  w.total = std::chrono::milliseconds(400);
  w.busy = std::chrono::milliseconds(5);
  EXPECT_EQ(kind_of(w, bytes), Kind::Cancelled);
  EXPECT_TRUE(w.progressed);
  w.busy = std::chrono::milliseconds(0);
  w.total = std::chrono::seconds(60);
  EXPECT_EQ(w.content(w.pull(bytes).root), bytes);
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
