#include "common/io/memory.h"

#include <gtest/gtest.h>
#include <unistd.h>

namespace bk {
namespace {

TEST(Memory, TheLimitIsAtMostWhatTheMachineHas) {
  const auto machine = static_cast<std::uint64_t>(::sysconf(_SC_PHYS_PAGES)) *
                       static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  EXPECT_GT(memory_limit_bytes(), 1U << 20U);
  EXPECT_LE(memory_limit_bytes(), machine);
}

}  // namespace
}  // namespace bk
