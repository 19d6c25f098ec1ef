#include "common/error/error.h"
#include "server/store/node.h"
#include "server/store/tree.h"

#include <algorithm>

namespace bk::store {

struct DirectoryReader::Impl {
  struct Frame {
    InnerNode node;
    std::size_t at = 0;  // the next child
  };
  Store& store;
  ChunkId root;
  bool opened = false;
  std::vector<Frame> stack;
  std::vector<Entry> page;
  std::size_t at = 0;
  std::string previous;

  template <class Decoder>
  static auto decode(const ChunkId& id, const std::string& bytes, Decoder&& decoder) {
    try {
      return decoder(bytes);
    } catch (const Error& error) {
      damaged(id, error.what());
    }
  }

  // Follows first children down from `id` to a page.  `level` is what the parent promises, or kMaxLevel + 1.
  void descend(ChunkId id, unsigned level) {
    for (;;) {
      const std::string bytes = read(id);
      if (node_type(bytes) == NodeType::Page) {
        if (level != 0 && level <= kMaxLevel) damaged(id, "a page stands too high");
        page = decode(id, bytes, decode_page);
        at = 0;
        return;
      }
      InnerNode node = decode(id, bytes, decode_inner);
      if (level <= kMaxLevel && node.level != level) damaged(id, "an inner node of another level");
      level = node.level - 1;
      id = node.children.front().id;
      stack.push_back({std::move(node), 1});
    }
  }

  [[nodiscard]] std::string read(const ChunkId& id) {
    std::string bytes = store.read(ObjectKind::Tree, id);
    if (is_sealed_node(bytes))
      throw Error(Kind::Refused,
                  "a folder is sealed: it can only be read with its key (`bkdb --unseal FILE`)");
    return bytes;
  }

  [[noreturn]] static void damaged(const ChunkId& id, const std::string& why) {
    throw Error(Kind::Corrupt, "tree node " + id.hex() + ": " + why);
  }

  // False at the end of the directory.
  [[nodiscard]] bool next_page() {
    if (!opened) {
      opened = true;
      descend(root, kMaxLevel + 1);
      return true;
    }
    while (!stack.empty() && stack.back().at == stack.back().node.children.size()) stack.pop_back();
    if (stack.empty()) return false;
    Frame& top = stack.back();
    const ChunkId id = top.node.children[top.at++].id;
    descend(id, top.node.level - 1);
    return true;
  }
};

DirectoryReader::DirectoryReader(Store& store, const ChunkId& node)
    : impl_(new Impl{store, node, false, {}, {}, 0, {}}) {}
DirectoryReader::~DirectoryReader() = default;
DirectoryReader::DirectoryReader(DirectoryReader&&) noexcept = default;
DirectoryReader& DirectoryReader::operator=(DirectoryReader&&) noexcept = default;

std::optional<Entry> DirectoryReader::next() {
  Impl& self = *impl_;
  while (self.at == self.page.size()) {
    self.page.clear();
    self.at = 0;
    if (!self.next_page()) return std::nullopt;
  }
  Entry entry = std::move(self.page[self.at++]);
  if (!self.previous.empty() && entry.name <= self.previous)
    Impl::damaged(self.root, "the names of its pages are out of order");
  self.previous = entry.name;
  return entry;
}

std::optional<Entry> DirectoryReader::find(std::string_view name) {
  Impl& self = *impl_;
  ChunkId id = self.root;
  for (unsigned depth = 0; depth <= kMaxLevel + 1; ++depth) {
    const std::string bytes = self.read(id);
    if (node_type(bytes) == NodeType::Page) {
      for (Entry& entry : Impl::decode(id, bytes, decode_page)) {
        if (entry.name == name) return std::move(entry);
      }
      return std::nullopt;
    }
    const InnerNode node = Impl::decode(id, bytes, decode_inner);
    const auto child = std::find_if(node.children.begin(), node.children.end(),
                                    [&](const Child& c) { return name <= c.last; });
    if (child == node.children.end()) return std::nullopt;
    id = child->id;
  }
  Impl::damaged(self.root, "inner nodes are nested too deeply");
}

}  // namespace bk::store
