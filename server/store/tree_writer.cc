#include "common/error/error.h"
#include "common/path/names.h"
#include "common/text/escape.h"
#include "server/store/extents.h"
#include "server/store/node.h"
#include "server/store/node_cuts.h"
#include "server/store/tree.h"

#include <algorithm>
#include <utility>

namespace bk::store {
namespace {

constexpr std::size_t kMaxEntryBytes = kMaxObjectBytes / 2;

// FNV-1a over level and name, then the finisher of SplitMix64.
std::uint32_t name_hash(unsigned level, std::string_view name) {
  std::uint64_t h = (0xcbf29ce484222325U ^ level) * 0x100000001b3U;
  for (const char c : name) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
  h = (h ^ (h >> 30U)) * 0xbf58476d1ce4e5b9U;
  h = (h ^ (h >> 27U)) * 0x94d049bb133111ebU;
  return static_cast<std::uint32_t>((h ^ (h >> 31U)) >> 32U);
}

// Whether a node ends behind this item: decided by the item's own name and length, so that an insertion moves
// one boundary at most.  Long items end nodes more often, which keeps nodes near the average in bytes.
bool ends_node(unsigned level, std::string_view name, std::size_t item_bytes, std::size_t node_bytes,
               const NodeSize& size) {
  if (node_bytes >= size.longest) return true;
  if (node_bytes < size.shortest) return false;
  const std::uint64_t threshold = (std::uint64_t{item_bytes} << 32U) / size.average;
  return name_hash(level, name) < threshold;
}

}  // namespace

struct DirectoryWriter::Impl {
  Writer& writer;
  const NodeCuts& cuts;
  std::string previous;
  bool any = false, has_subdirectories = false;
  std::vector<Entry> page;
  std::size_t page_bytes = 0;
  struct Level {
    std::vector<Child> children;
    std::size_t bytes = 0;
  };
  std::vector<Level> levels;  // inner nodes in the making; levels[0] is level 1

  void add_child(unsigned level, Child child) {
    BK_CHECK(level <= kMaxLevel);
    if (levels.size() < level) levels.resize(level);
    Level& at = levels[level - 1];
    const std::size_t bytes = 38 + child.last.size() / 2;
    at.bytes += bytes;
    at.children.push_back(std::move(child));
    // At least two children, so that every level is smaller than the one below.
    if (at.children.size() >= 2 &&
        ends_node(level, at.children.back().last, bytes, at.bytes, cuts.inner(level)))
      put_inner(level);
  }

  void put_inner(unsigned level) {
    InnerNode node{level, std::exchange(levels[level - 1].children, {})};
    levels[level - 1].bytes = 0;
    Child child{node.children.back().last, writer.put(ObjectKind::Tree, encode_inner(node)), 0};
    for (const Child& below : node.children) child.entries += below.entries;
    add_child(level + 1, std::move(child));
  }

  [[nodiscard]] Child put_page() {
    Child child{page.empty() ? std::string() : page.back().name,
                writer.put(ObjectKind::Tree, encode_page(page)), page.size()};
    page.clear();
    page_bytes = 0;
    return child;
  }
};

DirectoryWriter::DirectoryWriter(Writer& writer)
    : impl_(new Impl{writer, writer.node_cuts(), {}, false, false, {}, 0, {}}) {}
DirectoryWriter::DirectoryWriter(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
DirectoryWriter::~DirectoryWriter() = default;
DirectoryWriter::DirectoryWriter(DirectoryWriter&&) noexcept = default;
DirectoryWriter& DirectoryWriter::operator=(DirectoryWriter&&) noexcept = default;

DirectoryWriter DirectoryWriter::branch() const { return DirectoryWriter(std::make_unique<Impl>(*impl_)); }

void DirectoryWriter::add(const Entry& entry) {
  Impl& self = *impl_;
  if (!is_component(entry.name))
    throw Error(Kind::Protocol, "a directory entry with the bad name " + quoted(entry.name.substr(0, 300)));
  if (self.any && entry.name <= self.previous)
    throw Error(Kind::Protocol, "directory entries out of order at " + quoted(entry.name));
  Entry folded = entry;
  if (entry.content.size() > kInlineExtents) folded.content = fold_extents(self.writer, entry.content);
  const std::size_t bytes = estimated_bytes(folded);
  if (bytes > kMaxEntryBytes)
    throw Error(Kind::Protocol, "the attributes of " + quoted(entry.name) + " are too long");
  if (!self.page.empty() && self.page_bytes + bytes > kMaxEntryBytes) self.add_child(1, self.put_page());
  self.any = true;
  self.previous = entry.name;
  self.has_subdirectories |= entry.type == EntryType::Directory;
  self.page_bytes += bytes;
  self.page.push_back(std::move(folded));
  if (ends_node(0, entry.name, bytes, self.page_bytes, self.cuts.page)) self.add_child(1, self.put_page());
}

DirectoryWriter::Done DirectoryWriter::finish() {
  Impl& self = *impl_;
  if (self.levels.empty()) return {self.put_page().id, self.has_subdirectories};
  if (!self.page.empty()) self.add_child(1, self.put_page());
  for (unsigned level = 1;; ++level) {
    const Impl::Level& at = self.levels[level - 1];
    const bool top = level == self.levels.size();
    if (top && at.children.size() == 1) return {at.children[0].id, self.has_subdirectories};
    if (!at.children.empty()) self.put_inner(level);
  }
}

}  // namespace bk::store
