#include "common/ssh/resolve.h"

#include "common/error/error.h"

#include <gtest/gtest.h>

#include <condition_variable>
#include <memory>
#include <mutex>

namespace bk::ssh {
namespace {

using std::chrono::milliseconds;

std::string failure(const std::function<void()>& body) {
  try {
    body();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Kind::Transient);
    return error.what();
  }
  return {};
}

TEST(Resolve, ANumericAddressIsNotLookedUp) {
  const Lookup never = [](auto...) -> int {
    ADD_FAILURE() << "looked up";
    return EAI_FAIL;
  };
  EXPECT_NE(resolve("127.0.0.1", 22, milliseconds(0), "x", never), nullptr);
  EXPECT_NE(resolve("::1", 22, milliseconds(0), "x", never), nullptr);
}

TEST(Resolve, AnOrdinaryNameIsFound) {
  EXPECT_NE(resolve("localhost", 22, milliseconds(30000), "x"), nullptr);
}

TEST(Resolve, ASilentResolverIsNotWaitedFor) {
  struct Gate {
    std::mutex mutex;
    std::condition_variable opened;
    bool open = false, left = false;
  };
  const auto gate = std::make_shared<Gate>();
  const Lookup hangs = [gate](auto...) {
    std::unique_lock hold(gate->mutex);
    gate->opened.wait(hold, [&] { return gate->open; });
    gate->left = true;
    gate->opened.notify_all();
    return EAI_AGAIN;
  };
  EXPECT_EQ(failure([&] { (void)resolve("web1.example.org", 22, milliseconds(20), "connecting", hangs); }),
            "connecting: the name servers did not answer within 0 s");
  std::unique_lock hold(gate->mutex);
  gate->open = true;
  gate->opened.notify_all();
  gate->opened.wait(hold, [&] { return gate->left; });
}

TEST(Resolve, ANameThatIsNotThereSaysSo) {
  const Lookup nothing = [](auto...) { return EAI_NONAME; };
  EXPECT_NE(failure([&] {
              (void)resolve("web1.example.org", 22, milliseconds(30000), "connecting", nothing);
            }).find("connecting: Name or service"),
            std::string::npos);
}

}  // namespace
}  // namespace bk::ssh
