#include "server/store/node.h"

#include "common/error/error.h"
#include "common/path/names.h"
#include "server/store/bytes.h"

#include <algorithm>
#include <array>

namespace bk::store {
namespace {

constexpr std::array<ObjectKind, 3> kRefKinds{ObjectKind::Tree, ObjectKind::List, ObjectKind::Data};
constexpr std::uint64_t kMaxName = 255;
constexpr std::uint64_t kMaxBytes = kMaxObjectBytes;

std::size_t slot_of(ObjectKind kind) {
  return static_cast<std::size_t>(std::find(kRefKinds.begin(), kRefKinds.end(), kind) - kRefKinds.begin());
}

// References collected while the rest is written, by kind, in order of use.
struct RefsOut {
  std::array<std::vector<ChunkId>, 3> ids;
  void add(ObjectKind kind, const ChunkId& id) { ids[slot_of(kind)].push_back(id); }
  [[nodiscard]] std::string front(unsigned format, NodeType type) const {
    ByteWriter out;
    out.u8(format).u8(static_cast<unsigned char>(type));
    for (const auto& list : ids) out.varint(list.size());
    for (const auto& list : ids) {
      for (const ChunkId& id : list) out.raw(id.view());
    }
    return out.take();
  }
  [[nodiscard]] std::string node(NodeType type, const ByteWriter& rest) const {
    return front(kNodeFormat, type) + rest.bytes();
  }
};

// References handed out while the rest is read; all must be used.
class RefsIn {
 public:
  explicit RefsIn(ByteReader& in) {
    std::uint64_t sum = 0;
    for (std::size_t& count : counts_) sum += count = in.count(32, SIZE_MAX);
    if (sum > in.left() / 32) ByteReader::fail("a count exceeds what is there");
    for (std::size_t i = 0; i < 3; ++i) lists_[i] = in.raw(counts_[i] * 32);
  }
  [[nodiscard]] ChunkId take(ObjectKind kind) {
    std::string_view& list = lists_[slot_of(kind)];
    if (list.empty()) ByteReader::fail("a node uses more references than it holds");
    const ChunkId id = ChunkId::from_bytes(list.substr(0, 32));
    list.remove_prefix(32);
    return id;
  }
  void expect_end() const {
    for (const std::string_view& list : lists_) {
      if (!list.empty()) ByteReader::fail("a node holds references that it does not use");
    }
  }
  [[nodiscard]] const std::array<std::string_view, 3>& lists() const { return lists_; }

 private:
  std::array<std::size_t, 3> counts_{};
  std::array<std::string_view, 3> lists_;
};

NodeType read_head(ByteReader& in) {
  const std::uint8_t format = in.u8();
  if (format != kNodeFormat && format != kSealedNodeFormat) ByteReader::fail("an unknown node format");
  const std::uint8_t type = in.u8();
  if (type > 2) ByteReader::fail("an unknown type of node");
  return static_cast<NodeType>(type);
}

void expect_type(ByteReader& in, NodeType wanted) {
  if (in.u8() != kNodeFormat) ByteReader::fail("a node that is sealed, or of an unknown format");
  if (in.u8() != static_cast<unsigned char>(wanted)) ByteReader::fail("another type of node than expected");
}

void write_name(ByteWriter& out, std::string_view previous, std::string_view name) {
  const auto shared = static_cast<std::size_t>(
      std::mismatch(previous.begin(), previous.end(), name.begin(), name.end()).first - previous.begin());
  out.varint(shared).text(name.substr(shared));
}

std::string read_name(ByteReader& in, std::string_view previous, bool first) {
  const std::size_t shared = static_cast<std::size_t>(in.varint(previous.size()));
  std::string name(previous.substr(0, shared));
  name += in.text(kMaxName);
  if (name.size() > shared && shared < previous.size() && name[shared] == previous[shared])
    ByteReader::fail("a name shares more with its neighbour than stated");
  if (!is_component(name)) ByteReader::fail("a bad name in a node");
  if (!first && name <= previous) ByteReader::fail("names out of order in a node");
  return name;
}

void write_extent(ByteWriter& out, RefsOut& refs, const Extent& extent) {
  out.varint(extent.bytes << 2U | static_cast<unsigned>(extent.kind));
  if (extent.kind == Extent::Kind::Chunk) refs.add(ObjectKind::Data, extent.id);
  if (extent.kind == Extent::Kind::List) refs.add(ObjectKind::List, extent.id);
  if (extent.kind == Extent::Kind::Inline) {
    BK_CHECK(extent.inline_data.size() == extent.bytes);
    out.raw(extent.inline_data);
  }
}

Extent read_extent(ByteReader& in, RefsIn& refs) {
  const std::uint64_t word = in.varint();
  Extent extent;
  extent.kind = static_cast<Extent::Kind>(word & 3U);
  extent.bytes = word >> 2U;
  if (extent.kind == Extent::Kind::Chunk) {
    if (extent.bytes > kMaxBytes) ByteReader::fail("a chunk longer than allowed");
    extent.id = refs.take(ObjectKind::Data);
  }
  if (extent.kind == Extent::Kind::List) extent.id = refs.take(ObjectKind::List);
  if (extent.kind == Extent::Kind::Inline) extent.inline_data = in.raw(extent.bytes);
  return extent;
}

void write_extents(ByteWriter& out, RefsOut& refs, std::span<const Extent> extents) {
  out.varint(extents.size());
  for (const Extent& extent : extents) write_extent(out, refs, extent);
}

std::vector<Extent> read_extents(ByteReader& in, RefsIn& refs) {
  std::vector<Extent> out(in.count(1));
  for (Extent& extent : out) extent = read_extent(in, refs);
  return out;
}

// What neighbours usually share: stands once in the page's table.
struct Meta {
  EntryType type;
  std::uint32_t mode, uid, gid;
  bool operator==(const Meta&) const = default;
};

enum Flag : unsigned {
  kCtimeDiffers = 1,
  kOtherDevice = 2,
  kSeveralLinks = 4,
  kHasXattrs = 8,
  kSpecial = 16,  // a file that is not one chunk (or empty); a directory with subdirectories
  kChanged = 32,
  kUnreadable = 64,
  kExplicitSize = 128,
};

struct PageState {
  std::string name;
  std::int64_t seconds = 0;
  std::uint64_t device = 0, inode = 0;
};

bool is_device(EntryType type) { return type == EntryType::CharDevice || type == EntryType::BlockDevice; }

std::uint64_t implied_size(const Entry& e) { return e.type == EntryType::Symlink ? e.target.size() : 0; }

bool is_single_chunk(const Entry& e) {
  if (e.size == 0) return e.content.empty();
  return e.size <= kMaxBytes && e.content.size() == 1 && e.content[0].kind == Extent::Kind::Chunk &&
         e.content[0].bytes == e.size;
}

unsigned flags_of(const Entry& e, const PageState& before) {
  unsigned flags = 0;
  if (e.ctime != e.mtime) flags |= kCtimeDiffers;
  if (e.device != before.device) flags |= kOtherDevice;
  if (e.links != 1) flags |= kSeveralLinks;
  if (!e.xattrs.empty()) flags |= kHasXattrs;
  if (e.type == EntryType::File && !is_single_chunk(e)) flags |= kSpecial;
  if (e.type == EntryType::Directory && e.has_subdirectories) flags |= kSpecial;
  if (e.changed_while_read) flags |= kChanged;
  if (e.unreadable) flags |= kUnreadable;
  if (e.type != EntryType::File && e.size != implied_size(e)) flags |= kExplicitSize;
  return flags;
}

void write_time(ByteWriter& out, std::int64_t near, Timestamp time) {
  out.delta(static_cast<std::uint64_t>(near), static_cast<std::uint64_t>(time.seconds))
      .varint(time.nanoseconds);
}

Timestamp read_time(ByteReader& in, std::int64_t near) {
  Timestamp time;
  time.seconds = static_cast<std::int64_t>(in.delta(static_cast<std::uint64_t>(near)));
  time.nanoseconds = static_cast<std::uint32_t>(in.varint(999999999));
  return time;
}

void write_payload(ByteWriter& out, RefsOut& refs, const Entry& e, unsigned flags) {
  if (e.type == EntryType::File) {
    out.varint(e.size);
    if ((flags & kSpecial) != 0)
      write_extents(out, refs, e.content);
    else if (e.size != 0)
      refs.add(ObjectKind::Data, e.content[0].id);
  }
  if (e.type == EntryType::Symlink) out.text(e.target);
  if (e.type == EntryType::Directory) {
    refs.add(ObjectKind::Tree, e.node);
    out.raw(e.listing.view());
  }
  if (is_device(e.type)) out.varint(e.rdev_major).varint(e.rdev_minor);
  if ((flags & kExplicitSize) != 0) out.varint(e.size);
}

void read_payload(ByteReader& in, RefsIn& refs, Entry& e, unsigned flags) {
  if (e.type == EntryType::File) {
    e.size = in.varint();
    if ((flags & kSpecial) != 0) {
      e.content = read_extents(in, refs);
    } else if (e.size != 0) {
      if (e.size > kMaxBytes) ByteReader::fail("a chunk longer than allowed");
      e.content.push_back({Extent::Kind::Chunk, e.size, refs.take(ObjectKind::Data), {}});
    }
  }
  if (e.type == EntryType::Symlink) {
    e.target = in.text(kMaxBytes);
    e.size = e.target.size();
  }
  if (e.type == EntryType::Directory) {
    e.node = refs.take(ObjectKind::Tree);
    e.listing = in.digest();
    e.has_subdirectories = (flags & kSpecial) != 0;
  }
  if (is_device(e.type)) {
    e.rdev_major = static_cast<std::uint32_t>(in.varint(UINT32_MAX));
    e.rdev_minor = static_cast<std::uint32_t>(in.varint(UINT32_MAX));
  }
  if ((flags & kExplicitSize) != 0) e.size = in.varint();
}

void write_entry(ByteWriter& out, RefsOut& refs, const Entry& e, std::size_t meta, PageState& state) {
  const unsigned flags = flags_of(e, state);
  write_name(out, state.name, e.name);
  out.varint(meta).u8(flags);
  write_time(out, state.seconds, e.mtime);
  if ((flags & kCtimeDiffers) != 0) write_time(out, e.mtime.seconds, e.ctime);
  if ((flags & kOtherDevice) != 0) out.varint(e.device);
  out.delta(state.inode, e.inode);
  if ((flags & kSeveralLinks) != 0) out.varint(e.links);
  write_payload(out, refs, e, flags);
  if ((flags & kHasXattrs) != 0) {
    out.varint(e.xattrs.size());
    for (const Xattr& xattr : e.xattrs) out.text(xattr.name).text(xattr.value);
  }
  state = {e.name, e.mtime.seconds, e.device, e.inode};
}

Entry read_entry(ByteReader& in, RefsIn& refs, const std::vector<Meta>& metas, PageState& state, bool first) {
  Entry e;
  e.name = read_name(in, state.name, first);
  const std::uint64_t meta = in.varint();
  if (meta >= metas.size()) ByteReader::fail("an entry names attributes that are not there");
  e.type = metas[meta].type;
  e.mode = metas[meta].mode;
  e.uid = metas[meta].uid;
  e.gid = metas[meta].gid;
  const unsigned flags = in.u8();
  e.mtime = read_time(in, state.seconds);
  e.ctime = (flags & kCtimeDiffers) != 0 ? read_time(in, e.mtime.seconds) : e.mtime;
  e.device = (flags & kOtherDevice) != 0 ? in.varint() : state.device;
  e.inode = in.delta(state.inode);
  e.links = (flags & kSeveralLinks) != 0 ? in.varint() : 1;
  e.changed_while_read = (flags & kChanged) != 0;
  e.unreadable = (flags & kUnreadable) != 0;
  read_payload(in, refs, e, flags);
  if ((flags & kHasXattrs) != 0) {
    e.xattrs.resize(in.count(2));
    for (Xattr& xattr : e.xattrs) {
      xattr.name = in.text(kMaxBytes);
      xattr.value = in.text(kMaxBytes);
    }
  }
  state = {e.name, e.mtime.seconds, e.device, e.inode};
  return e;
}

std::vector<Meta> metas_of(std::span<const Entry> entries, std::vector<std::size_t>& chosen) {
  std::vector<Meta> metas;
  for (const Entry& e : entries) {
    const Meta meta{e.type, e.mode, e.uid, e.gid};
    const auto known = std::find(metas.begin(), metas.end(), meta);
    chosen.push_back(static_cast<std::size_t>(known - metas.begin()));
    if (known == metas.end()) metas.push_back(meta);
  }
  return metas;
}

std::vector<Meta> read_metas(ByteReader& in) {
  std::vector<Meta> metas(in.count(4));
  for (Meta& meta : metas) {
    const std::uint8_t type = in.u8();
    if (!is_entry_type(type)) ByteReader::fail("an unknown type of entry");
    meta.type = static_cast<EntryType>(type);
    meta.mode = static_cast<std::uint32_t>(in.varint(07777));
    meta.uid = static_cast<std::uint32_t>(in.varint(UINT32_MAX));
    meta.gid = static_cast<std::uint32_t>(in.varint(UINT32_MAX));
  }
  return metas;
}

}  // namespace

std::string encode_page(std::span<const Entry> entries) {
  std::vector<std::size_t> chosen;
  const std::vector<Meta> metas = metas_of(entries, chosen);
  ByteWriter out;
  RefsOut refs;
  out.varint(entries.size()).varint(metas.size());
  for (const Meta& m : metas)
    out.u8(static_cast<unsigned char>(m.type)).varint(m.mode).varint(m.uid).varint(m.gid);
  PageState state;
  for (std::size_t i = 0; i < entries.size(); ++i) write_entry(out, refs, entries[i], chosen[i], state);
  return refs.node(NodeType::Page, out);
}

std::vector<Entry> decode_page(std::string_view bytes) {
  ByteReader in(bytes);
  expect_type(in, NodeType::Page);
  RefsIn refs(in);
  std::vector<Entry> out;
  const std::size_t count = in.count(6);
  out.reserve(count);
  const std::vector<Meta> metas = read_metas(in);
  PageState state;
  for (std::size_t i = 0; i < count; ++i) out.push_back(read_entry(in, refs, metas, state, i == 0));
  refs.expect_end();
  in.expect_end();
  return out;
}

std::string encode_inner(const InnerNode& node) {
  ByteWriter out;
  RefsOut refs;
  out.varint(node.level).varint(node.children.size());
  std::string_view previous;
  for (const Child& child : node.children) {
    write_name(out, previous, child.last);
    out.varint(child.entries);
    refs.add(ObjectKind::Tree, child.id);
    previous = child.last;
  }
  return refs.node(NodeType::Inner, out);
}

InnerNode decode_inner(std::string_view bytes) {
  ByteReader in(bytes);
  expect_type(in, NodeType::Inner);
  RefsIn refs(in);
  InnerNode out;
  out.level = static_cast<unsigned>(in.varint(kMaxLevel));
  out.children.resize(in.count(3));
  if (out.level == 0 || out.children.empty()) ByteReader::fail("an empty inner node");
  std::string_view previous;
  for (Child& child : out.children) {
    child.last = read_name(in, previous, &child == out.children.data());
    child.entries = in.varint();
    child.id = refs.take(ObjectKind::Tree);
    previous = child.last;
  }
  refs.expect_end();
  in.expect_end();
  return out;
}

std::string encode_list(std::span<const Extent> extents) {
  ByteWriter out;
  RefsOut refs;
  write_extents(out, refs, extents);
  return refs.node(NodeType::List, out);
}

std::vector<Extent> decode_list(std::string_view bytes) {
  ByteReader in(bytes);
  expect_type(in, NodeType::List);
  RefsIn refs(in);
  std::vector<Extent> out = read_extents(in, refs);
  refs.expect_end();
  in.expect_end();
  return out;
}

NodeType node_type(std::string_view bytes) {
  ByteReader in(bytes);
  return read_head(in);
}

std::vector<NodeRef> node_refs(std::string_view bytes) {
  ByteReader in(bytes);
  (void)read_head(in);
  const RefsIn refs(in);
  std::vector<NodeRef> out;
  for (std::size_t i = 0; i < 3; ++i) {
    const std::string_view list = refs.lists()[i];
    for (std::size_t at = 0; at < list.size(); at += 32)
      out.push_back({kRefKinds[i], ChunkId::from_bytes(list.substr(at, 32))});
  }
  return out;
}

std::string_view node_front(std::string_view bytes) {
  ByteReader in(bytes);
  (void)read_head(in);
  const RefsIn refs(in);
  return bytes.substr(0, bytes.size() - in.left());
}

std::string sealed_node_front(NodeType type, std::span<const NodeRef> refs) {
  RefsOut out;
  for (const NodeRef& ref : refs) out.add(ref.kind, ref.id);
  return out.front(kSealedNodeFormat, type);
}

std::size_t estimated_bytes(const Entry& entry) {
  std::size_t bytes = 24 + entry.name.size() / 2 + entry.target.size();
  if (entry.type == EntryType::Directory) bytes += 64;
  for (const Extent& extent : entry.content)
    bytes += extent.kind == Extent::Kind::Hole ? 4 : 36 + extent.inline_data.size();
  for (const Xattr& xattr : entry.xattrs) bytes += 2 + xattr.name.size() + xattr.value.size();
  return bytes;
}

}  // namespace bk::store
