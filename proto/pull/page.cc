// The content of an Entries body: columns, because numbers of one sort follow each other closely and compress
// to half of what rows do (docs/protocol/pull.md).
#include "common/path/names.h"
#include "proto/pull/attributes.h"
#include "proto/pull/messages.h"
#include "proto/pull/payload.h"

#include <algorithm>
#include <limits>

namespace bk::pull {

namespace {

constexpr std::uint32_t kNanosecondsEnd = 1'000'000'000;

bool has_stat(const Entry& entry) { return entry.type != EntryType::Directory; }
bool is_device(EntryType type) { return type == EntryType::CharDevice || type == EntryType::BlockDevice; }

// Differences are modulo 2^64, so that any two numbers have one.
std::int64_t difference(std::uint64_t from, std::uint64_t to) { return static_cast<std::int64_t>(to - from); }
std::uint64_t sum(std::uint64_t from, std::int64_t by) { return from + static_cast<std::uint64_t>(by); }
std::uint64_t bits(std::int64_t value) { return static_cast<std::uint64_t>(value); }

void write_name(PayloadWriter& out, std::string_view previous, std::string_view name) {
  const auto ends = std::mismatch(previous.begin(), previous.end(), name.begin(), name.end());
  const auto shared = static_cast<std::size_t>(ends.first - previous.begin());
  out.varint(shared).bytes(name.substr(shared));
}

std::string read_name(PayloadReader& in, std::string_view previous) {
  const auto shared = static_cast<std::size_t>(in.varint_to(previous.size()));
  std::string name(previous.substr(0, shared));
  name += in.bytes(255);
  if (!is_component(name)) in.fail("an entry's name is not a name");
  if (!previous.empty() && name <= previous) in.fail("entries are not in order");
  return name;
}

EntryType read_type(PayloadReader& in) {
  const std::uint8_t byte = in.u8();
  if (!is_entry_type(byte)) in.fail("unknown type of entry");
  return static_cast<EntryType>(byte);
}

// Four bytes, little-endian: nanoseconds are noise, or zero.
void write_nanoseconds(PayloadWriter& out, std::uint32_t value) {
  for (unsigned shift = 0; shift < 32; shift += 8) out.u8(static_cast<std::uint8_t>(value >> shift));
}

std::uint32_t read_nanoseconds(PayloadReader& in) {
  std::uint32_t value = 0;
  for (unsigned shift = 0; shift < 32; shift += 8) value |= std::uint32_t{in.u8()} << shift;
  if (value >= kNanosecondsEnd) in.fail("more nanoseconds than a second has");
  return value;
}

// Calls `body(entry, previous)` for each entry with a stat; the first one's previous is all zeros.
template <class Entries, class Body>
void for_column(Entries& entries, Body&& body) {
  static const Entry kNone{};
  const Entry* previous = &kNone;
  for (auto& entry : entries) {
    if (!has_stat(entry)) continue;
    body(entry, *previous);
    previous = &entry;
  }
}

void write_columns(PayloadWriter& out, const std::vector<Entry>& entries) {
  for_column(entries, [&](const Entry& e, const Entry&) { out.varint(e.mode); });
  for_column(entries, [&](const Entry& e, const Entry&) { out.varint(e.uid); });
  for_column(entries, [&](const Entry& e, const Entry&) { out.varint(e.gid); });
  for_column(entries, [&](const Entry& e, const Entry&) { out.varint(e.size); });
  for_column(entries, [&](const Entry& e, const Entry& p) {
    out.zigzag(difference(bits(p.mtime.seconds), bits(e.mtime.seconds)));
  });
  for_column(entries, [&](const Entry& e, const Entry&) { write_nanoseconds(out, e.mtime.nanoseconds); });
  for_column(entries, [&](const Entry& e, const Entry&) {
    out.zigzag(difference(bits(e.mtime.seconds), bits(e.ctime.seconds)));
  });
  for_column(entries, [&](const Entry& e, const Entry&) {
    out.zigzag(std::int64_t{e.ctime.nanoseconds} - std::int64_t{e.mtime.nanoseconds});
  });
  for_column(entries, [&](const Entry& e, const Entry& p) { out.zigzag(difference(p.device, e.device)); });
  for_column(entries, [&](const Entry& e, const Entry& p) { out.zigzag(difference(p.inode, e.inode)); });
  for_column(entries, [&](const Entry& e, const Entry&) { out.varint(e.links); });
}

std::uint32_t ctime_nanoseconds(PayloadReader& in, std::uint32_t mtime) {
  const std::int64_t by = in.zigzag();
  if (by < -std::int64_t{mtime} || by >= std::int64_t{kNanosecondsEnd} - mtime)
    in.fail("more nanoseconds than a second has");
  return static_cast<std::uint32_t>(std::int64_t{mtime} + by);
}

void read_columns(PayloadReader& in, std::vector<Entry>& entries) {
  for_column(entries,
             [&](Entry& e, const Entry&) { e.mode = static_cast<std::uint32_t>(in.varint_to(07777)); });
  for_column(entries, [&](Entry& e, const Entry&) { e.uid = in.u32(); });
  for_column(entries, [&](Entry& e, const Entry&) { e.gid = in.u32(); });
  for_column(entries, [&](Entry& e, const Entry&) {
    e.size = in.varint_to(std::numeric_limits<std::int64_t>::max());
    if (e.type != EntryType::File && e.type != EntryType::Symlink && e.size != 0)
      in.fail("a size where there is no content");
  });
  for_column(entries, [&](Entry& e, const Entry& p) {
    e.mtime.seconds = static_cast<std::int64_t>(sum(bits(p.mtime.seconds), in.zigzag()));
  });
  for_column(entries, [&](Entry& e, const Entry&) { e.mtime.nanoseconds = read_nanoseconds(in); });
  for_column(entries, [&](Entry& e, const Entry&) {
    e.ctime.seconds = static_cast<std::int64_t>(sum(bits(e.mtime.seconds), in.zigzag()));
  });
  for_column(entries, [&](Entry& e, const Entry&) {
    e.ctime.nanoseconds = ctime_nanoseconds(in, e.mtime.nanoseconds);
  });
  for_column(entries, [&](Entry& e, const Entry& p) { e.device = sum(p.device, in.zigzag()); });
  for_column(entries, [&](Entry& e, const Entry& p) { e.inode = sum(p.inode, in.zigzag()); });
  for_column(entries, [&](Entry& e, const Entry&) { e.links = in.varint(); });
}

void write_rest(PayloadWriter& out, const Entry& entry) {
  if (is_device(entry.type)) out.varint(entry.rdev_major).varint(entry.rdev_minor);
  if (entry.type == EntryType::Symlink) out.bytes(entry.target);
  write_xattrs(out, entry.xattrs);
}

void read_rest(PayloadReader& in, Entry& entry) {
  if (is_device(entry.type)) {
    entry.rdev_major = in.u32();
    entry.rdev_minor = in.u32();
  }
  if (entry.type == EntryType::Symlink) {
    entry.target = in.bytes(kMaxTargetBytes);
    if (entry.target.empty() || entry.target.find('\0') != std::string::npos)
      in.fail("not a symlink's target");
    if (entry.target.size() != entry.size) in.fail("a symlink's size differs from its target");
  }
  entry.xattrs = read_xattrs(in);
}

bool has_rest(const Entry& entry) { return has_stat(entry) && entry.type != EntryType::File; }

}  // namespace

std::string encode_page(const std::vector<Entry>& entries) {
  PayloadWriter out;
  out.varint(entries.size());
  std::string_view previous;
  for (const Entry& entry : entries) {
    write_name(out, previous, entry.name);
    previous = entry.name;
  }
  for (const Entry& entry : entries) out.u8(static_cast<std::uint8_t>(entry.type));
  write_columns(out, entries);
  for (const Entry& entry : entries) {
    if (has_rest(entry)) write_rest(out, entry);
  }
  return out.take();
}

std::vector<Entry> decode_page(std::string_view content) {
  PayloadReader in(content, "Entries");
  std::vector<Entry> entries(static_cast<std::size_t>(in.varint_to(kMaxPageEntries)));
  std::string_view previous;
  for (Entry& entry : entries) {
    entry.name = read_name(in, previous);
    previous = entry.name;
  }
  for (Entry& entry : entries) entry.type = read_type(in);
  read_columns(in, entries);
  for (Entry& entry : entries) {
    if (has_rest(entry)) read_rest(in, entry);
  }
  in.expect_end();
  return entries;
}

}  // namespace bk::pull
