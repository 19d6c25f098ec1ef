// What waits to be written: order, bounds, ends.
#include "client/agent/outbox.h"

#include "common/compress/group.h"
#include "common/error/error.h"
#include "proto/pull/messages.h"

#include <gtest/gtest.h>

#include <future>

namespace bk::agent {
namespace {

using namespace std::chrono_literals;

TEST(Outbox, FramesAndGroupsLeaveInTheOrderInWhichTheyCame) {
  Outbox outbox(4, 10s);
  auto writer = std::async(std::launch::async, [&] {
    pull::FrameDecoder decoder;
    std::string frames;
    while (outbox.take(frames, 10s) == Outbox::Taken::Frames) decoder.feed(frames);
    return decoder;
  });
  for (std::uint64_t i = 0; i < 40; ++i) {
    std::string frame;
    pull::append_frame(frame, pull::FrameType::Enter, pull::encode(pull::Enter{std::to_string(i)}));
    outbox.put(std::move(frame));
    // Every other one is much longer to compress.
    outbox.put_group(i, std::string(i % 2 == 0 ? 400'000 : 10, static_cast<char>('a' + i % 26)) + "end");
  }
  outbox.close();
  pull::FrameDecoder decoder = writer.get();
  GroupDecoder groups;
  for (std::uint64_t i = 0; i < 40; ++i) {
    EXPECT_EQ(pull::decode_enter(decoder.next().value().payload).name, std::to_string(i));
    const pull::Group message = pull::decode_group(decoder.next().value().payload);
    EXPECT_EQ(message.batch, i);
    const std::string content =
        groups.decode(message.group.codec, message.group.bytes, message.group.content_bytes);
    EXPECT_EQ(content.substr(content.size() - 4), std::string(1, static_cast<char>('a' + i % 26)) + "end");
  }
  EXPECT_FALSE(decoder.next());
}

TEST(Outbox, WhoPutsInWaitsForRoomUntilTheDeadline) {
  Outbox outbox(1, 50ms);
  EXPECT_THROW(
      {
        for (int i = 0; i < 100; ++i) outbox.put(std::string(1U << 20U, 'x'));
      },
      Error);
}

TEST(Outbox, AFailureReachesBothEnds) {
  Outbox outbox(2, 10s);
  outbox.fail(std::make_exception_ptr(Error(Kind::Transient, "cut")));
  std::string frames;
  EXPECT_EQ(outbox.take(frames, 10s), Outbox::Taken::Ended);
  EXPECT_THROW(outbox.put("x"), Error);
}

TEST(Outbox, NothingToTakeIsSaidInTime) {
  Outbox outbox(1, 10s);
  std::string frames;
  EXPECT_EQ(outbox.take(frames, 1ms), Outbox::Taken::Late);
  outbox.close();
  EXPECT_EQ(outbox.take(frames, 10s), Outbox::Taken::Ended);
}

}  // namespace
}  // namespace bk::agent
