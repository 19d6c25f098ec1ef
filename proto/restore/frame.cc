#include "proto/restore/frame.h"

#include "common/error/error.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace bk::restore {
namespace {

struct Row {
  FrameType type;
  const char* name;
  std::uint32_t limit;
};

constexpr std::uint32_t kKiB = 1024;
constexpr std::uint32_t kMiB = 1024 * kKiB;

constexpr auto kRows = std::to_array<Row>({
    {FrameType::Ask, "Ask", 256 * kKiB},
    {FrameType::Keep, "Keep", 4 * kKiB},
    {FrameType::Hello, "Hello", 4 * kKiB},
    {FrameType::Text, "Text", 64 * kKiB},
    {FrameType::Tree, "Tree", 64 * kKiB},
    {FrameType::Entries, "Entries", 5 * kMiB},
    {FrameType::Group, "Group", 10 * kMiB},
    {FrameType::Window, "Window", 0},
    {FrameType::TreeEnd, "TreeEnd", 0},
    {FrameType::Finding, "Finding", 64 * kKiB},
    {FrameType::Done, "Done", 256},
    {FrameType::Fail, "Fail", 8 * kKiB},
    {FrameType::Offer, "Offer", 1 * kMiB},
});

const Row* find_row(std::uint8_t type) {
  const auto* row = std::find_if(kRows.begin(), kRows.end(),
                                 [&](const Row& r) { return static_cast<std::uint8_t>(r.type) == type; });
  return row == kRows.end() ? nullptr : row;
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

std::string frame_header(FrameType type, std::size_t payload_bytes) {
  BK_CHECK(payload_bytes <= frame_limit(static_cast<std::uint8_t>(type)).value_or(0));
  std::string out;
  for (unsigned i = 0; i < 4; ++i) out.push_back(static_cast<char>(payload_bytes >> (8 * i) & 0xffU));
  out.push_back(static_cast<char>(type));
  return out;
}

void FrameDecoder::feed(std::string_view bytes) {
  waiting_.erase(0, begin_);
  begin_ = 0;
  waiting_.append(bytes);
}

void FrameDecoder::take_header() {
  while (have_ < kFrameHeaderBytes && begin_ < waiting_.size())
    header_[have_++] = static_cast<unsigned char>(waiting_[begin_++]);
  if (have_ < kFrameHeaderBytes) return;
  length_ = 0;
  for (unsigned i = 0; i < 4; ++i) length_ |= std::size_t{header_[i]} << (8 * i);
  const auto limit = frame_limit(header_[4]);
  if (!limit) throw Error(Kind::Protocol, fmt::format("restore frame of unknown type 0x{:02x}", header_[4]));
  if (length_ > *limit)
    throw Error(Kind::Protocol, fmt::format("restore frame {} of {} bytes is larger than its limit of {}",
                                            frame_name(static_cast<FrameType>(header_[4])), length_, *limit));
}

std::optional<Frame> FrameDecoder::next() {
  if (have_ < kFrameHeaderBytes) take_header();
  if (have_ == kFrameHeaderBytes) {
    const std::size_t more = std::min(length_ - payload_.size(), waiting_.size() - begin_);
    payload_.append(waiting_, begin_, more);
    begin_ += more;
  }
  if (begin_ == waiting_.size()) {
    waiting_.clear();
    begin_ = 0;
  }
  if (have_ < kFrameHeaderBytes || payload_.size() < length_) return std::nullopt;
  have_ = 0;
  Frame frame{static_cast<FrameType>(header_[4]), std::move(payload_)};
  payload_.clear();
  return frame;
}

}  // namespace bk::restore
