// Many requests at once, and years of small commits.  BACKLINE_LONG=1 runs the full five years.
#include "server/ingest/checkpoint.h"
#include "tests/support/sanitized.h"
#include "tests/unit/ingest/installation.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <chrono>
#include <cstdio>
#include <filesystem>

namespace bk::server {
namespace {

using std::chrono::duration;
using std::chrono::steady_clock;
using test::Installation;
using test::request;

template <class Body>
double seconds(Body&& body) {
  const auto begin = steady_clock::now();
  body();
  return duration<double>(steady_clock::now() - begin).count();
}

long peak_kib() {
  rusage usage{};
  (void)::getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss;
}

std::uint64_t disk_bytes(const std::string& path) {
  std::uint64_t sum = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(path)) {
    struct stat info {};
    if (::lstat(entry.path().c_str(), &info) == 0) sum += static_cast<std::uint64_t>(info.st_blocks) * 512;
  }
  return sum;
}

TEST(Scale, TenThousandRequestsInOneGoAreIngestedInUnderAMinuteWithFlatMemory) {
  const Installation at;
  for (std::uint64_t batch = 0; batch < 10; ++batch) {
    std::vector<proto::Request> requests;
    for (std::uint64_t i = 1; i <= 1000; ++i) requests.push_back(request(batch * 1000 + i));
    at.push(requests);
  }
  const long before = peak_kib();
  const double took = seconds([&] { EXPECT_EQ(at.run().added, 10000U); });
  const long grown = peak_kib() - before;
  std::printf("10,000 requests: %.2f s, %ld KiB more at the peak\n", took, grown);
  if (!bk::test::kSanitized) {
    EXPECT_LT(took, 60);
    EXPECT_LT(grown, 64 * 1024);
  }
  EXPECT_EQ(at.pending(), 10000U);
  EXPECT_EQ(at.receipts().size(), 10000U);
}

// One commit every five minutes, ingested in steps, as if the server had slept for some hours each time.
TEST(Scale, YearsOfSmallCommitsCostNothing) {
  const bool is_long = std::getenv("BACKLINE_LONG") != nullptr;
  const std::uint64_t rounds = is_long ? 525000 : 1500;
  const std::uint64_t step = 50;
  const Installation at;
  std::uint64_t biggest = 0;
  double slowest = 0;
  for (std::uint64_t round = 0; round < rounds; round += step) {
    at.push_empty(step);
    slowest = std::max(slowest, seconds([&] { (void)at.run(); }));
    biggest = std::max(biggest, disk_bytes(at.path()));
  }
  const double push = seconds([&] { at.push({request(1)}); });
  const double ingest = seconds([&] { EXPECT_EQ(at.run().added, 1U); });
  std::printf(
      "%llu commits: push %.3f s, ingest %.3f s (slowest run %.3f s), repository %llu KiB, at most %llu "
      "KiB\n",
      static_cast<unsigned long long>(rounds), push, ingest, slowest,
      static_cast<unsigned long long>(disk_bytes(at.path()) / 1024),
      static_cast<unsigned long long>(biggest / 1024));
  EXPECT_LT(push + ingest, 1.0);
  EXPECT_LT(biggest, 16U << 20U);
  EXPECT_LT(git::Repository(at.path()).packs(), 3U);
}

}  // namespace
}  // namespace bk::server
