// main() of every GoogleTest program.  GoogleTest itself says 0 when tests were skipped, and when no test has
// the name that was asked for; whoever runs a whole program would take both for a success.
#include <gtest/gtest.h>

#include <cstdio>

namespace {

constexpr int kSkipped = 77;
constexpr int kUsage = 64;

}  // namespace

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  const int status = RUN_ALL_TESTS();
  const ::testing::UnitTest& all = *::testing::UnitTest::GetInstance();
  if (status != 0) return status;
  if (all.test_to_run_count() == 0) {
    (void)std::fputs("no test has such a name\n", stderr);
    return kUsage;
  }
  return all.skipped_test_count() > 0 ? kSkipped : 0;
}
