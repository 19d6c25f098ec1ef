// Tree nodes and lists, as bytes (docs/formats/tree.md).  Pure.
//
// Every node begins with its references (kind and id of each child), apart from names and attributes, so that
// reachability, copying and removal never need to understand, or decrypt, the rest.
#pragma once

#include "common/tree/entry.h"
#include "server/store/store.h"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace bk::store {

inline constexpr unsigned kNodeFormat = 1;
inline constexpr unsigned kSealedNodeFormat = 2;  // the rest behind the references is sealed (sealed.h)
inline constexpr unsigned kMaxLevel = 12;  // of inner nodes and of lists: far above anything that fits a disk

enum class NodeType : unsigned char { Page = 0, Inner = 1, List = 2 };

// A child of an inner node: a page, or an inner node one level below.
struct Child {
  std::string last;  // the greatest name below
  ChunkId id{};
  std::uint64_t entries = 0;  // below
  bool operator==(const Child&) const = default;
};

struct InnerNode {
  unsigned level = 1;
  std::vector<Child> children;
  bool operator==(const InnerNode&) const = default;
};

// Entries in strictly increasing order of their names.
[[nodiscard]] std::string encode_page(std::span<const Entry> entries);
[[nodiscard]] std::vector<Entry> decode_page(std::string_view bytes);
[[nodiscard]] std::string encode_inner(const InnerNode& node);
[[nodiscard]] InnerNode decode_inner(std::string_view bytes);
[[nodiscard]] std::string encode_list(std::span<const Extent> extents);
[[nodiscard]] std::vector<Extent> decode_list(std::string_view bytes);
// All decoders throw Corrupt for anything an encoder would not have written.

[[nodiscard]] NodeType node_type(std::string_view bytes);  // throws Corrupt
[[nodiscard]] inline bool is_sealed_node(std::string_view bytes) {
  return !bytes.empty() && static_cast<unsigned char>(bytes[0]) == kSealedNodeFormat;
}

// The references of a node or list, without looking at the rest; of sealed ones, too.
struct NodeRef {
  ObjectKind kind;
  ChunkId id;
};
[[nodiscard]] std::vector<NodeRef> node_refs(std::string_view bytes);
// Everything up to the end of the references; throws Corrupt.
[[nodiscard]] std::string_view node_front(std::string_view bytes);
// The front of a sealed node of this type with these references, in the order of node_refs().
[[nodiscard]] std::string sealed_node_front(NodeType type, std::span<const NodeRef> refs);

// About how long an entry, child or extent becomes; node boundaries depend on it, so it must never change
// without a new node format.
[[nodiscard]] std::size_t estimated_bytes(const Entry& entry);

}  // namespace bk::store
