#include "common/ssh/pace.h"

#include "common/error/error.h"
#include "common/io/file.h"
#include "common/ssh/ssh.h"
#include "tests/support/sshd.h"

#include <gtest/gtest.h>

#include <thread>

namespace bk::ssh {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

// How long `bytes` must take at least: all but the burst is paid for.
auto least(double bytes, double rate) { return std::chrono::duration<double>(bytes / rate) - Pace::kBurst; }

TEST(Pace, ManyBytesTakeTheirTime) {
  const test::TempDir dir;
  Pace pace({100000, dir.file("pace")});
  const auto begin = Clock::now();
  for (int i = 0; i < 100; ++i) {
    pace.take(1000);
    pace.wait();
  }
  EXPECT_GE(Clock::now() - begin, least(100000, 100000));
}

TEST(Pace, AllWhoNameTheSameFileShareOneLimit) {
  const test::TempDir dir;
  const auto begin = Clock::now();
  const auto one = [&] {
    Pace pace({200000, dir.file("pace")});
    for (int i = 0; i < 50; ++i) {
      pace.take(1000);
      pace.wait();
    }
  };
  std::thread a(one), b(one), c(one), d(one);
  for (std::thread* t : {&a, &b, &c, &d}) t->join();
  EXPECT_GE(Clock::now() - begin, least(200000, 200000));
}

TEST(Pace, WhatAnEarlierBootOrADamagedFileOwesIsForgotten) {
  const test::TempDir dir;
  for (const std::string& found : {std::string(48, '\x7f'), std::string("short"), std::string(48, '\0')}) {
    replace_durably(dir.file("pace"), found);
    const Pace pace({1000, dir.file("pace")});
    pace.wait();
    EXPECT_EQ(read_file(dir.file("pace")).substr(40), std::string(8, '\0'));
  }
}

TEST(Pace, AChannelAndAFileBySftpAreNotFasterThanTheLimit) {
  const test::Sshd server;
  const test::TempDir dir;
  Endpoint endpoint = server.endpoint();
  endpoint.bandwidth = {4U << 20U, dir.file("pace")};
  constexpr double kBytes = 5U << 20U;
  std::vector<char> buffer(256U << 10U);
  {
    const auto begin = Clock::now();
    Session session(endpoint);
    const auto channel = session.exec("head -c 5242880 /dev/zero");
    std::size_t bytes = 0;
    while (const std::size_t got = channel->read(buffer.data(), buffer.size(), 20s)) bytes += got;
    EXPECT_EQ(bytes, 5U << 20U);
    EXPECT_GE(Clock::now() - begin, least(kBytes, 4U << 20U));
  }
  replace_durably(dir.file("file"), std::string(5U << 20U, 'x'));
  const auto begin = Clock::now();
  Session session(endpoint);
  Sftp sftp(session, "/usr/lib/openssh/sftp-server -R");
  std::size_t bytes = 0;
  sftp.read_from(
      dir.file("file"), 0, [&](std::string_view piece) { bytes += piece.size(); }, 20s);
  EXPECT_EQ(bytes, 5U << 20U);
  EXPECT_GE(Clock::now() - begin, least(kBytes, 4U << 20U));
}

}  // namespace
}  // namespace bk::ssh
