#include "client/agent/old_content.h"

#include "common/error/error.h"

#include <algorithm>

namespace bk::agent {

namespace {

constexpr std::uint64_t kNear = 32;  // places around the expected one that are looked at first

}  // namespace

void OldContents::take(pull::OldFiles message) {
  if (!pages_.empty() && message.page <= pages_.rbegin()->first) {
    throw Error(Kind::Protocol, "the server's OldFiles are not in order");
  }
  pages_[message.page] = {std::move(message.salt), std::move(message.files)};
}

void OldContents::take(const pull::OldContent& message) {
  const Name file{message.page, message.index};
  if (file < from_) return;  // it was on its way when that file ended
  const auto page = pages_.find(message.page);
  const bool due = page != pages_.end() && message.index < page->second.files.size() &&
                   page->second.files.test(message.index);
  if (!due || (last_ && (file < *last_ || (file == *last_ && last_complete_)))) {
    throw Error(Kind::Protocol, "the server's OldContent is not due");
  }
  held_ += message.ids.size();
  if (held_ > pull::kOldWindow) throw Error(Kind::Protocol, "the server sends more OldContent than agreed");
  last_ = file;
  last_complete_ = message.last;
  if (lists_.empty() || lists_.back().file != file) lists_.push_back({file, {}, 0, false});
  List& list = lists_.back();
  list.ids.insert(list.ids.end(), message.ids.begin(), message.ids.end());
  list.complete = message.last;
}

bool OldContents::begin(std::uint64_t page, std::uint64_t index) {
  end();
  const Name file{page, index};
  from_ = file;
  pages_.erase(pages_.begin(), pages_.lower_bound(page));
  const auto known = pages_.find(page);
  if (known == pages_.end() || index >= known->second.files.size() || !known->second.files.test(index)) {
    return false;
  }
  while (!lists_.empty() && lists_.front().file < file) {
    held_ -= lists_.front().ids.size();
    lists_.pop_front();
  }
  if (lists_.empty() || lists_.front().file != file) lists_.push_front({file, {}, 0, false});
  salt_ = known->second.salt;
  active_ = true;
  return true;
}

void OldContents::end() {
  if (!active_) return;
  active_ = false;
  from_ = {current().file.first, current().file.second + 1};
  held_ -= current().ids.size();
  lists_.pop_front();
  position_ = {};
  where_.clear();
  indexed_ = 0;
}

bool OldContents::must_wait() const {
  if (!active_ || current().complete) return false;
  const std::uint64_t expected = position_.expected();
  // The server sends whole frames: so much further and it could not.
  return expected >= current().first + current().ids.size() &&
         expected + pull::kOldFrameIds <= position_.limit();
}

bool OldContents::is(std::uint64_t at, std::uint64_t id) const {
  const List& list = current();
  return at >= list.first && at - list.first < list.ids.size() && list.ids[at - list.first] == id;
}

std::optional<std::uint64_t> OldContents::find(std::uint64_t id) const {
  const std::uint64_t expected = position_.expected();
  for (std::uint64_t away = 0; away <= kNear; ++away) {
    if (is(expected + away, id)) return expected + away;
    if (away <= expected && is(expected - away, id)) return expected - away;
  }
  const auto found = where_.find(id);
  if (found == where_.end()) return std::nullopt;
  return found->second;
}

void OldContents::index_all() {
  const List& list = current();
  for (indexed_ = std::max(indexed_, list.first); indexed_ < list.first + list.ids.size(); ++indexed_) {
    where_.try_emplace(list.ids[indexed_ - list.first], indexed_);
  }
}

void OldContents::drop_before(std::uint64_t at) {
  List& list = current();
  for (; list.first < at && !list.ids.empty(); ++list.first) {
    const auto found = where_.find(list.ids.front());
    if (found != where_.end() && found->second == list.first) where_.erase(found);
    list.ids.pop_front();
    --held_;
  }
}

std::optional<OldContents::Kept> OldContents::look_up(const ChunkId& id) {
  if (!active_) return std::nullopt;
  const std::uint64_t name = pull::old_id(salt_, id);
  std::optional<std::uint64_t> at;
  if (is(position_.expected(), name)) {
    at = position_.expected();
  } else {
    index_all();
    at = find(name);
  }
  std::optional<Kept> kept;
  if (at) {
    kept = Kept{static_cast<std::int64_t>(*at - position_.next())};
    position_.kept(*at, 1);
  } else {
    position_.fresh();
  }
  drop_before(position_.base());
  return kept;
}

}  // namespace bk::agent
