#include "server/store/pack_team.h"

#include <gtest/gtest.h>

#include <numeric>
#include <set>
#include <stdexcept>
#include <thread>

namespace bk::store {
namespace {

using Lock = std::unique_lock<std::mutex>;

std::vector<std::uint64_t> packs(std::size_t count) {
  std::vector<std::uint64_t> out(count);
  std::iota(out.begin(), out.end(), 1U);
  return out;
}

TEST(PackTeam, NobodyWaitsForNothing) {
  EXPECT_EQ(team_size(0), 1U);
  EXPECT_EQ(team_size(1), 1U);
  EXPECT_LE(team_size(1000), 4U);
  work_off({}, 1, [](std::size_t, std::uint64_t, Lock&) { FAIL(); });
}

TEST(PackTeam, EveryPackIsWorkedOffOnceByOneMember) {
  std::multiset<std::uint64_t> done;
  std::vector<std::size_t> by(4);
  work_off(packs(1000), 4, [&](std::size_t member, std::uint64_t pack, Lock& lock) {
    lock.unlock();
    std::this_thread::yield();
    ++by[member];  // its own, so no lock is needed
    lock.lock();
    done.insert(pack);
  });
  const std::vector<std::uint64_t> all = packs(1000);
  EXPECT_EQ(done, std::multiset<std::uint64_t>(all.begin(), all.end()));
  EXPECT_EQ(std::accumulate(by.begin(), by.end(), std::size_t{0}), 1000U);
}

TEST(PackTeam, WhatOneThrowsEndsAllAndIsThrown) {
  for (const std::size_t members : {1U, 4U}) {
    std::size_t done = 0;
    EXPECT_THROW(work_off(packs(1000), members,
                          [&](std::size_t, std::uint64_t pack, Lock& lock) {
                            ++done;
                            lock.unlock();  // as who is reading
                            if (pack == 10) throw std::runtime_error("no room");
                            lock.lock();
                          }),
                 std::runtime_error);
    if (members == 1) {
      EXPECT_EQ(done, 10U);
    }
  }
}

}  // namespace
}  // namespace bk::store
