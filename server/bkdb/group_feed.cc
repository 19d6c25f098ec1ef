#include "server/bkdb/group_feed.h"

#include "common/error/error.h"

#include <algorithm>
#include <utility>

namespace bk::bkdb {
namespace {

constexpr std::uint64_t kNowhere = UINT64_MAX;  // sorts last
constexpr std::uint64_t kWorthWhole = 2;        // a group goes whole when one in so many bytes is needed

// Fills in where the places begin in the group; false when the group's table is not what the index says.
template <class List>
bool fit(const store::StoredGroup& group, List& wanted) {
  std::size_t position = 0;
  std::uint32_t begin = 0;
  for (auto& one : wanted) {
    for (; position < one.at.position && position < group.lengths.size(); ++position)
      begin += group.lengths[position];
    if (position >= group.lengths.size() || group.lengths[position] != one.place.bytes ||
        group.kinds[position] != ObjectKind::Data)
      return false;
    one.place.begin = begin;
  }
  return true;
}

}  // namespace

void GroupFeed::want(const ChunkId& id, std::uint32_t bytes, std::uint64_t file, std::uint64_t offset) {
  Wanted wanted;
  wanted.place = {0, bytes, file, offset, id};
  wanted_.push_back(wanted);
  bytes_ += bytes;
}

void GroupFeed::drop_kept() {
  if (wanted_.empty() || !sink_.may_keep()) return;
  std::vector<RestorePlace> places;
  places.reserve(wanted_.size());
  for (const Wanted& wanted : wanted_) places.push_back(wanted.place);
  const std::vector<bool> kept = sink_.keep(places);
  std::vector<Wanted> left;
  for (std::size_t i = 0; i < wanted_.size(); ++i)
    if (!kept[i]) left.push_back(wanted_[i]);
  wanted_ = std::move(left);
}

void GroupFeed::find_places() {
  std::vector<ChunkId> ids;
  ids.reserve(wanted_.size());
  for (const Wanted& wanted : wanted_) ids.push_back(wanted.place.id);
  const auto places = store_.locate(ObjectKind::Data, ids);
  for (std::size_t i = 0; i < wanted_.size(); ++i)
    wanted_[i].at = places[i] ? *places[i] : store::StoredPlace{kNowhere, 0, 0};
  std::stable_sort(wanted_.begin(), wanted_.end(),
                   [](const Wanted& a, const Wanted& b) { return a.at < b.at; });
}

void GroupFeed::send() {
  drop_kept();
  find_places();
  for (std::size_t begin = 0, end = 0; begin < wanted_.size(); begin = end) {
    const store::StoredPlace& at = wanted_[begin].at;
    while (end < wanted_.size() && wanted_[end].at.pack == at.pack && wanted_[end].at.offset == at.offset)
      ++end;
    const std::span<Wanted> part(wanted_.data() + begin, end - begin);
    if (at.pack == kNowhere)
      send_single(part);
    else
      send_group(part);
  }
  send_gathered();
  wanted_.clear();
  bytes_ = 0;
}

void GroupFeed::send_group(std::span<Wanted> wanted) {
  store::StoredGroup group;
  try {
    group = store_.load_group(wanted.front().at, far_);
    if (!fit(group, wanted)) throw Error(Kind::Corrupt, "the group holds other chunks");
  } catch (const Error& error) {
    if (error.kind() != Kind::Corrupt) throw;
    return send_single(wanted);
  }
  std::uint64_t needed = 0;
  const Wanted* before = nullptr;
  for (const Wanted& one : wanted) {
    if (before == nullptr || before->at.position != one.at.position) needed += one.place.bytes;
    before = &one;
  }
  if (!is_sent_whole(wanted.front().at, needed, group.encoded.content_bytes)) return gather(group, wanted);
  std::vector<RestorePlace> places;
  places.reserve(wanted.size());
  for (const Wanted& one : wanted) places.push_back(one.place);
  sink_.group(std::move(group.encoded), std::move(places));
}

// A chunk that several clients gave lies in the group of the first: then the rest of it is not this one's.
// And packing anew costs the server more than its client saves, unless there is much less to send.
bool GroupFeed::is_sent_whole(const store::StoredPlace& at, std::uint64_t needed, std::uint32_t all) {
  if (!far_ || needed == all) return true;
  return needed * kWorthWhole >= all && store_.owns_group(far_client_, at);
}

void GroupFeed::send_single(std::span<const Wanted> wanted) {
  for (const Wanted& one : wanted) {
    try {
      std::string content = store_.read(ObjectKind::Data, one.place.id);
      if (content.size() != one.place.bytes)
        throw Error(Kind::Corrupt, "chunk " + one.place.id.hex() + " has another length than recorded");
      add_gathered(one, content);
    } catch (const Error& error) {
      if (error.kind() != Kind::Corrupt) throw;
      sink_.damaged(one.place.file, one.place.bytes, error.what());
    }
  }
}

void GroupFeed::gather(const store::StoredGroup& group, std::span<const Wanted> wanted) {
  std::string buffer;
  std::string_view content;
  try {
    content = decoder_.decode_into(group.encoded, buffer);
  } catch (const Error& error) {
    if (error.kind() != Kind::Corrupt) throw;
    return send_single(wanted);
  }
  for (const Wanted& one : wanted) {
    const std::string_view chunk = content.substr(one.place.begin, one.place.bytes);
    if (chunk_id(ObjectKind::Data, chunk) == one.place.id)
      add_gathered(one, chunk);
    else
      send_single({&one, 1});
  }
}

void GroupFeed::add_gathered(const Wanted& wanted, std::string_view content) {
  const bool again = !gathered_places_.empty() && gathered_places_.back().id == wanted.place.id;
  if (!again && gathered_.size() + content.size() > kTargetGroupContent) send_gathered();
  if (!again) gathered_ += content;
  gathered_places_.push_back(wanted.place);
  gathered_places_.back().begin = static_cast<std::uint32_t>(gathered_.size() - content.size());
}

void GroupFeed::send_gathered() {
  if (gathered_places_.empty()) return;
  EncodedGroup group;
  if (far_) {
    group = encoder_.encode(gathered_);
  } else {
    group.content_bytes = static_cast<std::uint32_t>(gathered_.size());
    group.bytes = std::move(gathered_);
  }
  sink_.group(std::move(group), std::exchange(gathered_places_, {}));
  gathered_.clear();
}

}  // namespace bk::bkdb
