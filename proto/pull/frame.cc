#include "proto/pull/frame.h"

#include "common/error/error.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace bk::pull {

namespace {

struct Row {
  FrameType type;
  const char* name;
  std::uint32_t limit;
};

constexpr std::uint32_t kKiB = 1024;
constexpr std::uint32_t kMiB = 1024 * kKiB;

constexpr auto kRows = std::to_array<Row>({
    {FrameType::Hello, "Hello", 4 * kKiB},
    {FrameType::Open, "Open", 8 * kKiB},
    {FrameType::Verdicts, "Verdicts", 4 * kKiB},
    {FrameType::Wants, "Wants", kKiB},
    {FrameType::Need, "Need", 4 * kKiB},
    {FrameType::Heartbeat, "Heartbeat", 0},
    {FrameType::Continue, "Continue", kKiB},
    {FrameType::Stripes, "Stripes", 8},
    {FrameType::Go, "Go", 0},
    {FrameType::OldFiles, "OldFiles", kKiB},
    {FrameType::OldContent, "OldContent", 8 * kKiB},
    {FrameType::Signatures, "Signatures", 64 * kKiB},
    {FrameType::AgentHello, "AgentHello", 4 * kKiB},
    {FrameType::Opened, "Opened", 64},
    {FrameType::Refused, "Refused", 4 * kKiB},
    {FrameType::Enter, "Enter", 512},
    {FrameType::Leave, "Leave", 2 * kMiB},
    {FrameType::Entries, "Entries", 4 * kMiB},
    {FrameType::Recipe, "Recipe", 4 * kMiB},
    {FrameType::Group, "Group", 9 * kMiB},
    {FrameType::Skipped, "Skipped", 8 * kKiB},
    {FrameType::KeepAlive, "KeepAlive", 0},
    {FrameType::Done, "Done", 256},
    {FrameType::Fail, "Fail", 8 * kKiB},
    {FrameType::Tickets, "Tickets", 512},
    {FrameType::Joined, "Joined", 0},
    {FrameType::StripeEnd, "StripeEnd", 16},
    {FrameType::Delta, "Delta", 9 * kMiB},
});

const Row* find_row(std::uint8_t type) {
  const auto* row = std::find_if(kRows.begin(), kRows.end(),
                                 [&](const Row& r) { return static_cast<std::uint8_t>(r.type) == type; });
  return row == kRows.end() ? nullptr : row;
}

std::uint32_t read_length(const char* p) {
  std::uint32_t value = 0;
  for (unsigned i = 0; i < 4; ++i)
    value |= static_cast<std::uint32_t>(static_cast<std::uint8_t>(p[i])) << (8 * i);
  return value;
}

}  // namespace

const char* frame_name(FrameType type) {
  const Row* row = find_row(static_cast<std::uint8_t>(type));
  return row == nullptr ? "unknown" : row->name;
}

std::optional<std::uint32_t> frame_limit(std::uint8_t type) {
  const Row* row = find_row(type);
  return row == nullptr ? std::nullopt : std::optional(row->limit);
}

void append_frame(std::string& out, FrameType type, std::string_view payload) {
  BK_CHECK(payload.size() <= frame_limit(static_cast<std::uint8_t>(type)).value_or(0));
  const auto size = static_cast<std::uint32_t>(payload.size());
  for (unsigned i = 0; i < 4; ++i)
    out.push_back(static_cast<char>(static_cast<std::uint8_t>(size >> (8 * i))));
  out.push_back(static_cast<char>(type));
  out.append(payload);
}

void FrameDecoder::feed(std::string_view bytes) {
  if (begin_ == buffer_.size()) {
    buffer_.clear();
    begin_ = 0;
  } else if (begin_ > buffer_.size() / 2) {
    buffer_.erase(0, begin_);
    begin_ = 0;
  }
  buffer_.append(bytes);
}

std::optional<Frame> FrameDecoder::next() {
  if (buffer_.size() - begin_ < kFrameHeaderBytes) return std::nullopt;
  const std::uint32_t length = read_length(buffer_.data() + begin_);
  const auto type = static_cast<std::uint8_t>(buffer_[begin_ + 4]);
  const auto limit = frame_limit(type);
  if (!limit) throw Error(Kind::Protocol, fmt::format("pull frame of unknown type 0x{:02x}", type));
  if (length > *limit) {
    throw Error(Kind::Protocol, fmt::format("pull frame {} of {} bytes is larger than its limit of {}",
                                            frame_name(static_cast<FrameType>(type)), length, *limit));
  }
  if (buffer_.size() - begin_ < kFrameHeaderBytes + length) return std::nullopt;
  Frame frame{static_cast<FrameType>(type), buffer_.substr(begin_ + kFrameHeaderBytes, length)};
  begin_ += kFrameHeaderBytes + length;
  return frame;
}

}  // namespace bk::pull
