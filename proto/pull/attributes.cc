#include "proto/pull/attributes.h"

#include <limits>

namespace bk::pull {

Stat stat_of(const Entry& entry) {
  return {entry.mode,  entry.uid,    entry.gid,   entry.size, entry.mtime,
          entry.ctime, entry.device, entry.inode, entry.links};
}

void set_stat(Entry& entry, const Stat& stat) {
  entry.mode = stat.mode;
  entry.uid = stat.uid;
  entry.gid = stat.gid;
  entry.size = stat.size;
  entry.mtime = stat.mtime;
  entry.ctime = stat.ctime;
  entry.device = stat.device;
  entry.inode = stat.inode;
  entry.links = stat.links;
}

void write_stat(PayloadWriter& out, const Stat& stat) {
  out.varint(stat.mode).varint(stat.uid).varint(stat.gid).varint(stat.size);
  out.time(stat.mtime).time(stat.ctime);
  out.varint(stat.device).varint(stat.inode).varint(stat.links);
}

Stat read_stat(PayloadReader& in) {
  Stat stat;
  stat.mode = static_cast<std::uint32_t>(in.varint_to(07777));
  stat.uid = in.u32();
  stat.gid = in.u32();
  stat.size = in.varint_to(std::numeric_limits<std::int64_t>::max());
  stat.mtime = in.time();
  stat.ctime = in.time();
  stat.device = in.varint();
  stat.inode = in.varint();
  stat.links = in.varint();
  return stat;
}

void write_xattrs(PayloadWriter& out, const std::vector<Xattr>& xattrs) {
  out.varint(xattrs.size());
  for (const Xattr& attribute : xattrs) out.bytes(attribute.name).bytes(attribute.value);
}

std::vector<Xattr> read_xattrs(PayloadReader& in) {
  std::vector<Xattr> xattrs;
  std::size_t room = kMaxXattrBytes;
  for (auto count = in.varint_to(kMaxXattrs); count > 0; --count) {
    Xattr attribute{std::string(in.bytes(255)), {}};
    if (attribute.name.empty() || attribute.name.find('\0') != std::string::npos)
      in.fail("an attribute's name");
    if (!xattrs.empty() && attribute.name <= xattrs.back().name) in.fail("attributes are not in order");
    attribute.value = in.bytes(room);
    room -= attribute.value.size();
    xattrs.push_back(std::move(attribute));
  }
  return xattrs;
}

void write_group(PayloadWriter& out, const EncodedGroup& group) {
  out.u8(static_cast<std::uint8_t>(group.codec)).varint(group.content_bytes).raw(group.bytes);
}

EncodedGroup read_group(PayloadReader& in, std::size_t limit) {
  EncodedGroup group;
  const std::uint8_t codec = in.u8();
  if (codec > static_cast<std::uint8_t>(Codec::Zstd)) in.fail("unknown codec");
  group.codec = static_cast<Codec>(codec);
  group.content_bytes = static_cast<std::uint32_t>(in.varint_to(limit));
  if (group.codec == Codec::Raw && in.left() != group.content_bytes) in.fail("a raw body of another length");
  group.bytes = in.raw(in.left());
  return group;
}

}  // namespace bk::pull
