#include "server/store/extents.h"

#include "common/error/error.h"
#include "server/store/node_cuts.h"
#include "server/store/tree.h"

#include <algorithm>
#include <cstring>

namespace bk::store {
namespace {

// Boundaries depend on identities only: lists meet again after an insertion.
bool ends_list(const Extent& extent, std::size_t level, const ListSize& size) {
  if (extent.kind != Extent::Kind::Chunk && extent.kind != Extent::Kind::List) return false;
  std::uint32_t word = 0;
  std::memcpy(&word, extent.id.bytes.data() + 4 * (level % 7), 4);
  return word % size.one_in == 0;
}

}  // namespace

void ExtentFolder::put_list(std::size_t level, std::size_t count) {
  std::vector<Extent>& pending = levels_[level].pending;
  const std::span<const Extent> part(pending.data(), count);
  Extent list;
  list.kind = Extent::Kind::List;
  for (const Extent& extent : part) list.bytes += extent.bytes;
  list.id = writer_.put(ObjectKind::List, encode_list(part));
  pending.erase(pending.begin(), pending.begin() + static_cast<std::ptrdiff_t>(count));
  add(level + 1, std::move(list));
}

// Cuts whole lists off the front, as long as their end is certain.
void ExtentFolder::fold_front(std::size_t level) {
  const ListSize& size = writer_.node_cuts().list(level);
  for (;;) {
    const std::vector<Extent>& pending = levels_[level].pending;
    std::size_t count = size.shortest;
    while (count < pending.size() && count < size.longest && !ends_list(pending[count - 1], level, size))
      ++count;
    const bool certain =
        count <= pending.size() && (count == size.longest || ends_list(pending[count - 1], level, size));
    if (!certain) return;
    put_list(level, count);
  }
}

void ExtentFolder::add(std::size_t level, Extent extent) {
  BK_CHECK(level <= kMaxLevel);
  if (levels_.size() <= level) levels_.resize(level + 1);
  levels_[level].pending.push_back(std::move(extent));
  if (levels_[level].pending.size() > kInlineExtents) levels_[level].folding = true;
  if (!levels_[level].folding) return;
  const Extent& last = levels_[level].pending.back();
  const bool ends = ends_list(last, level, writer_.node_cuts().list(level));
  if (ends || levels_[level].pending.size() >= kInlineExtents) fold_front(level);
}

std::vector<Extent> ExtentFolder::finish() {
  for (std::size_t level = 0; level < levels_.size(); ++level) {
    if (!levels_[level].folding) break;
    fold_front(level);
    if (!levels_[level].pending.empty()) put_list(level, levels_[level].pending.size());
  }
  std::vector<Extent> out = levels_.empty() ? std::vector<Extent>{} : std::move(levels_.back().pending);
  levels_.clear();
  return out;
}

std::vector<Extent> fold_extents(Writer& writer, const std::vector<Extent>& extents) {
  if (extents.size() <= kInlineExtents) return extents;
  ExtentFolder folder(writer);
  for (const Extent& extent : extents) folder.add(extent);
  return folder.finish();
}

ExtentReader::ExtentReader(Store& store, std::vector<Extent> content) : store_(store) {
  stack_.push_back({std::move(content)});
}

std::optional<Extent> ExtentReader::next() {
  while (!stack_.empty()) {
    Level& top = stack_.back();
    if (top.at == top.extents.size()) {
      stack_.pop_back();
      continue;
    }
    Extent& extent = top.extents[top.at++];
    if (extent.kind != Extent::Kind::List) return std::move(extent);
    if (stack_.size() > kMaxLevel) throw Error(Kind::Corrupt, "list " + extent.id.hex() + ": too deep");
    stack_.push_back({decode_list(store_.read(ObjectKind::List, extent.id))});
  }
  return std::nullopt;
}

void for_each_extent(Store& store, const Entry& file, const std::function<void(const Extent&)>& sink) {
  ExtentReader reader(store, file.content);
  while (const auto extent = reader.next()) sink(*extent);
}

bool content_is_there(Store& store, Writer& writer, const Entry& file) {
  bool all = true;
  try {
    for_each_extent(store, file, [&](const Extent& extent) {
      if (extent.kind == Extent::Kind::Chunk) all = all && writer.contains(extent.id);
    });
  } catch (const Error& error) {
    if (error.kind() != Kind::Corrupt) throw;
    return false;
  }
  return all;
}

}  // namespace bk::store
