#include "server/pull/tree/windows.h"

#include "common/delta/delta.h"
#include "common/error/error.h"

#include <algorithm>
#include <limits>

namespace bk::pull {

namespace {

constexpr std::uint64_t kSlack = 64U << 10U;       // old bytes looked at beyond what was replaced
constexpr std::size_t kMaxBasisBytes = 2U << 20U;  // of one batch
constexpr std::size_t kSmallestBasis = 512;        // less is not worth a signature
constexpr unsigned kLongestPause = 64;
constexpr std::uint64_t kToTheEnd = std::numeric_limits<std::uint64_t>::max();

std::uint64_t bytes_of(const std::vector<OldChunk>& chunks) {
  std::uint64_t bytes = 0;
  for (const OldChunk& chunk : chunks) bytes += chunk.bytes;
  return bytes;
}

// The first and the last chunks, together about `limit` bytes: what was replaced resembles one of the ends.
void keep_ends(std::vector<OldChunk>& chunks, std::uint64_t limit) {
  if (bytes_of(chunks) <= limit) return;
  std::size_t head = 0, tail = chunks.size();
  for (std::uint64_t bytes = 0; head < tail && bytes + chunks[head].bytes <= limit / 2; ++head)
    bytes += chunks[head].bytes;
  for (std::uint64_t bytes = 0; head < tail && bytes + chunks[tail - 1].bytes <= limit / 2; --tail)
    bytes += chunks[tail - 1].bytes;
  chunks.erase(chunks.begin() + static_cast<std::ptrdiff_t>(head),
               chunks.begin() + static_cast<std::ptrdiff_t>(tail));
}

}  // namespace

// Following the recipe.

void Windows::begin_recipe() {
  chunks_ = 0;
  gaps_.clear();
  open_.reset();
}

void Windows::begin_file() {
  open_.reset();
  from_ = 0;
}

void Windows::chunk(std::uint32_t bytes) {
  if (old_.active()) {
    if (!open_) open_ = Gap{chunks_, 0, 0, {}};
    ++open_->count;
    open_->bytes += bytes;
  }
  ++chunks_;
}

void Windows::kept(const KeptItem& item) {
  const std::uint64_t at = old_.position().next() + static_cast<std::uint64_t>(item.skip);
  if (open_ && at >= from_) close(at);
  if (open_) close_open_end();
  from_ = at + item.count;
}

void Windows::end_file() {
  if (open_) close(kToTheEnd);
}

// The end of the gap comes in another recipe: what follows is taken to lie where it lay.
void Windows::end_recipe() {
  if (open_) close_open_end();
}

void Windows::close(std::uint64_t to) {
  Gap gap = std::move(*open_);
  open_.reset();
  gap.old = old_.between(from_, to);
  keep_ends(gap.old, std::min<std::uint64_t>(kMaxWindowBytes, gap.bytes + gap.bytes / 2 + 2 * kSlack));
  if (!gap.old.empty()) gaps_.push_back(std::move(gap));
}

void Windows::close_open_end() {
  Gap gap = std::move(*open_);
  open_.reset();
  const std::vector<OldChunk> rest = old_.between(from_, kToTheEnd);
  std::uint64_t bytes = 0;
  for (const OldChunk& chunk : rest) {
    if (bytes >= std::min<std::uint64_t>(gap.bytes + kSlack, kMaxWindowBytes - kSlack)) break;
    if (bytes < gap.bytes) ++from_;
    bytes += chunk.bytes;
    gap.old.push_back(chunk);
  }
  if (!gap.old.empty()) gaps_.push_back(std::move(gap));
}

// Signing.

void Windows::back_off() {
  pause_ = std::min(kLongestPause, pause_ == 0 ? 1 : 2 * pause_);
  skip_ = pause_;
}

// False when something of it cannot be read: then the chunks come whole.
bool Windows::read_old(std::vector<Gap*>& gaps, std::vector<std::string>& bases) {
  std::vector<ChunkId> ids;
  std::vector<std::pair<std::size_t, std::size_t>> places;  // which basis, and where in it
  for (std::size_t i = 0; i < gaps.size(); ++i) {
    std::size_t at = 0;
    for (const OldChunk& chunk : gaps[i]->old) {
      ids.push_back(chunk.id);
      places.emplace_back(i, at);
      at += chunk.bytes;
    }
    bases.emplace_back(at, '\0');
  }
  try {
    store_.read_scattered(ObjectKind::Data, ids, [&](std::size_t position, std::string_view content) {
      const auto [basis, at] = places[position];
      if (content.size() <= bases[basis].size() - at) content.copy(bases[basis].data() + at, content.size());
    });
    return true;
  } catch (const Error& error) {
    if (error.kind() != Kind::Corrupt) throw;
    return false;
  }
}

std::vector<Window> Windows::sign(std::uint64_t batch, const Bitmap& need) {
  if (gaps_.empty() || (skip_ > 0 && skip_-- > 0)) return {};
  std::vector<std::size_t> rank;  // of each chunk among the needed ones
  std::size_t needed = 0;
  for (std::size_t i = 0; i < need.size(); ++i) {
    rank.push_back(needed);
    needed += need.test(i) ? 1 : 0;
  }
  rank.push_back(needed);
  std::vector<Gap*> chosen;
  std::size_t basis_bytes = 0, sum_bytes = 0;
  for (Gap& gap : gaps_) {
    const std::uint64_t bytes = bytes_of(gap.old);
    const std::size_t sums = (bytes / block_size_for(bytes) + 1) * kBlockSumBytes;
    if (rank[gap.first] == rank[gap.first + gap.count] || bytes < kSmallestBasis) continue;
    if (basis_bytes + bytes > kMaxBasisBytes || sum_bytes + sums > kMaxSignatureBytes ||
        chosen.size() == kMaxSignatures)
      break;
    basis_bytes += bytes;
    sum_bytes += sums;
    chosen.push_back(&gap);
  }
  std::vector<std::string> bases;
  if (chosen.empty() || !read_old(chosen, bases)) return {};
  std::vector<Window> windows;
  Signatures message{batch, {}};
  for (std::size_t i = 0; i < chosen.size(); ++i) {
    const Gap& gap = *chosen[i];
    const std::uint32_t block = block_size_for(bases[i].size());
    message.windows.push_back({gap.first, gap.count, block, block_sums(bases[i], block)});
    windows.push_back({rank[gap.first], rank[gap.first + gap.count] - rank[gap.first], std::move(bases[i])});
  }
  line_.send(FrameType::Signatures, message);
  return windows;
}

// Patching.

std::vector<std::string> Windows::apply(const Delta& message, const std::vector<store::ChunkRef>& needed,
                                        const std::vector<Window>& windows) {
  if (windows.empty() || message.lengths.size() != windows.size()) {
    throw Error(Kind::Protocol, "a Delta that answers no Signatures");
  }
  std::string body;
  try {
    body = decoder_.decode(message.body.codec, message.body.bytes, message.body.content_bytes);
  } catch (const Error& error) {
    throw Error(Kind::Protocol, error.what());  // the agent's bytes, not ours
  }
  std::string_view rest = body;
  const auto take = [&](std::uint64_t bytes) {
    if (bytes > rest.size()) throw Error(Kind::Protocol, "a Delta shorter than its parts");
    const std::string_view part = rest.substr(0, bytes);
    rest.remove_prefix(bytes);
    return part;
  };
  std::vector<std::string> contents;
  std::uint64_t whole = 0, sent = 0;
  for (std::size_t at = 0, next = 0; at < needed.size();) {
    if (next == windows.size() || at < windows[next].first) {
      contents.emplace_back(take(needed[at++].bytes));
      continue;
    }
    const Window& window = windows[next];
    const std::uint32_t length = message.lengths[next++];
    if (length == 0) {
      for (std::size_t i = 0; i < window.count; ++i) contents.emplace_back(take(needed[at++].bytes));
      continue;
    }
    std::uint64_t bytes = 0;
    for (std::size_t i = 0; i < window.count; ++i) bytes += needed[at + i].bytes;
    if (bytes > kMaxGroupContent) throw Error(Kind::Protocol, "a Delta that would make too much");
    const std::string made = apply_delta(window.basis, take(length), bytes);
    for (std::size_t i = 0, from = 0; i < window.count; from += needed[at++].bytes, ++i) {
      contents.push_back(made.substr(from, needed[at].bytes));
    }
    whole += bytes;
    sent += length;
  }
  if (!rest.empty()) throw Error(Kind::Protocol, "a Delta longer than its parts");
  if (sent * 4 > whole * 3) {
    back_off();
  } else {
    pause_ = 0;
  }
  return contents;
}

}  // namespace bk::pull
