#include "server/pull/tree/old_lists.h"

#include "common/error/error.h"
#include "common/random/random.h"

#include <algorithm>

namespace bk::pull {

namespace {

constexpr std::uint64_t kWholeId = (std::uint64_t{1} << kOldIdBits) - 1;

bool has_chunks(const std::vector<Extent>& content) {
  return std::any_of(content.begin(), content.end(), [](const Extent& extent) {
    return extent.kind == Extent::Kind::Chunk || extent.kind == Extent::Kind::List;
  });
}

}  // namespace

OldLists::OldLists(AgentLine& line, store::Store& store, store::Possession& possession, bool on)
    : line_(line), store_(store), possession_(possession), on_(on) {
  if (on_) salt_ = SystemRandom().bytes(kSaltBytes);
}

std::size_t OldLists::add_file(std::size_t index, std::vector<Extent> content) {
  if (!on_ || !has_chunks(content)) return 0;
  const std::size_t bytes = sizeof(File) + content.size() * sizeof(Extent);
  added_.emplace_back(index, std::move(content));
  return bytes;
}

void OldLists::add_page(std::uint64_t page, std::size_t entries) {
  if (added_.empty()) return;
  OldFiles message{page, salt_, {}};
  std::size_t at = 0;
  for (std::size_t i = 0; i < entries; ++i) {
    const bool has = at < added_.size() && added_[at].first == i;
    message.files.push_back(has);
    at += has ? 1 : 0;
  }
  for (auto& [index, content] : added_)
    files_.push_back({{page, index}, std::move(content), {}, {}, 0, false});
  added_.clear();
  line_.send(FrameType::OldFiles, message);
}

void OldLists::pump() {
  while (sending_ < files_.size() && outstanding_ + kOldFrameIds <= kOldWindow) {
    send_some(files_[sending_]);
    if (files_[sending_].complete) ++sending_;
  }
}

// The next extent; a list that cannot be read ends the old version there, what follows comes again.
std::optional<Extent> OldLists::next_extent(File& file) {
  try {
    return file.reader->next();
  } catch (const Error& error) {
    if (error.kind() != Kind::Corrupt) throw;
    return std::nullopt;
  }
}

void OldLists::send_some(File& file) {
  if (!file.reader)
    file.reader = std::make_unique<store::ExtentReader>(store_, std::exchange(file.content, {}));
  std::vector<ChunkId> ids;
  while (ids.size() < kOldFrameIds && !file.complete) {
    const auto extent = next_extent(file);
    file.complete = !extent;
    if (!extent || extent->kind != Extent::Kind::Chunk) continue;
    ids.push_back(extent->id);
    file.chunks.push_back({extent->id, static_cast<std::uint32_t>(extent->bytes)});
  }
  if (file.complete) file.reader.reset();
  outstanding_ += ids.size();
  const std::vector<bool> here = possession_.has(ids);
  OldContent message{file.name.first, file.name.second, file.complete, {}};
  // A chunk that was lost gets a name that fits nothing, and so comes again.
  for (std::size_t i = 0; i < ids.size(); ++i) {
    message.ids.push_back(old_id(salt_, ids[i]) ^ (here[i] ? 0 : kWholeId));
  }
  line_.send(FrameType::OldContent, message);
}

void OldLists::begin(std::uint64_t page, std::uint64_t index) {
  const Name name{page, index};
  if (begun_ == name) return end(page, index);
  begun_ = name;
  position_ = {};
  active_ = !files_.empty() && files_.front().name == name;
}

std::vector<OldChunk> OldLists::kept(const KeptItem& item) {
  if (!active_) throw Error(Kind::Protocol, "kept chunks of a file without an old version");
  File& file = files_.front();
  const std::uint64_t end = file.first + file.chunks.size();
  const std::uint64_t at =
      position_.next() + static_cast<std::uint64_t>(item.skip);  // may wrap: then too far
  if (at < file.first || at >= end || item.count > end - at) {
    throw Error(Kind::Protocol, "kept chunks that are not in the window of the old version");
  }
  const auto begin = file.chunks.begin() + static_cast<std::ptrdiff_t>(at - file.first);
  std::vector<OldChunk> out(begin, begin + static_cast<std::ptrdiff_t>(item.count));
  position_.kept(at, item.count);
  forget_before(position_.base());
  return out;
}

void OldLists::fresh() {
  if (!active_) return;
  position_.fresh();
  forget_before(position_.base());
}

void OldLists::forget_before(std::uint64_t at) {
  File& file = files_.front();
  for (; file.first < at && !file.chunks.empty(); ++file.first) {
    file.chunks.pop_front();
    --outstanding_;
  }
}

std::vector<OldChunk> OldLists::between(std::uint64_t from, std::uint64_t to) const {
  if (!active_) return {};
  const File& file = files_.front();
  from = std::max(from, file.first);
  to = std::min(to, file.first + file.chunks.size());
  if (from >= to) return {};
  const auto begin = file.chunks.begin() + static_cast<std::ptrdiff_t>(from - file.first);
  return {begin, begin + static_cast<std::ptrdiff_t>(to - from)};
}

void OldLists::end(std::uint64_t page, std::uint64_t index) {
  active_ = false;
  while (!files_.empty() && files_.front().name <= Name{page, index}) {
    outstanding_ -= files_.front().chunks.size();
    files_.pop_front();
    if (sending_ > 0) --sending_;
  }
}

}  // namespace bk::pull
