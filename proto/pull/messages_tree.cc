// Directories and their entries: enter, leave, pages, and the records of a listing.
#include "common/path/names.h"
#include "proto/pull/attributes.h"
#include "proto/pull/listing.h"
#include "proto/pull/messages.h"
#include "proto/pull/payload.h"

#include <algorithm>

namespace bk::pull {

namespace {

std::string read_name(PayloadReader& in, std::string_view previous) {
  const auto shared = static_cast<std::size_t>(in.varint_to(previous.size()));
  std::string name(previous.substr(0, shared));
  name += in.bytes(255);
  if (!is_component(name)) in.fail("an entry's name is not a name");
  if (!previous.empty() && name <= previous) in.fail("entries are not in order");
  return name;
}

void write_name(PayloadWriter& out, std::string_view previous, std::string_view name) {
  const auto ends = std::mismatch(previous.begin(), previous.end(), name.begin(), name.end());
  const auto shared = static_cast<std::size_t>(ends.first - previous.begin());
  out.varint(shared).bytes(name.substr(shared));
}

EntryType read_type(PayloadReader& in) {
  const std::uint8_t byte = in.u8();
  if (!is_entry_type(byte)) in.fail("unknown type of entry");
  return static_cast<EntryType>(byte);
}

bool is_device(EntryType type) { return type == EntryType::CharDevice || type == EntryType::BlockDevice; }

void write_facts(PayloadWriter& out, const Entry& entry) {
  write_stat(out, stat_of(entry));
  if (is_device(entry.type)) out.varint(entry.rdev_major).varint(entry.rdev_minor);
}

void read_facts(PayloadReader& in, Entry& entry) {
  set_stat(entry, read_stat(in));
  if (entry.type != EntryType::File && entry.type != EntryType::Symlink && entry.size != 0) {
    in.fail("a size where there is no content");
  }
  if (!is_device(entry.type)) return;
  entry.rdev_major = in.u32();
  entry.rdev_minor = in.u32();
}

void read_target(PayloadReader& in, Entry& entry) {
  entry.target = in.bytes(kMaxTargetBytes);
  if (entry.target.empty() || entry.target.find('\0') != std::string::npos) in.fail("not a symlink's target");
  if (entry.target.size() != entry.size) in.fail("a symlink's size differs from its target");
}

Entry read_entry(PayloadReader& in, std::string_view previous) {
  Entry entry;
  entry.name = read_name(in, previous);
  entry.type = read_type(in);
  if (entry.type == EntryType::Directory) return entry;
  read_facts(in, entry);
  if (entry.type == EntryType::File) return entry;
  if (entry.type == EntryType::Symlink) read_target(in, entry);
  entry.xattrs = read_xattrs(in);
  return entry;
}

}  // namespace

std::string encode(const Enter& message) {
  PayloadWriter out;
  out.bytes(message.name);
  return out.take();
}

Enter decode_enter(std::string_view payload) {
  PayloadReader in(payload, "Enter");
  Enter message{std::string(in.bytes(255))};
  if (!is_component(message.name)) in.fail("a directory's name is not a name");
  in.expect_end();
  return message;
}

std::string encode(const Leave& message) {
  PayloadWriter out;
  out.varint(message.number).digest(message.listing).varint(message.entries);
  write_stat(out, message.stat);
  write_xattrs(out, message.xattrs);
  out.u8(message.unreadable ? 1 : 0);
  return out.take();
}

Leave decode_leave(std::string_view payload) {
  PayloadReader in(payload, "Leave");
  Leave message;
  message.number = in.varint();
  message.listing = in.digest();
  message.entries = in.varint();
  message.stat = read_stat(in);
  message.xattrs = read_xattrs(in);
  message.unreadable = in.boolean();
  if (message.stat.size != 0 || message.stat.links != 1) in.fail("a directory with size or links");
  if (message.unreadable && message.entries != 0) in.fail("an unreadable directory with entries");
  in.expect_end();
  return message;
}

std::string encode(const Entries& message) {
  PayloadWriter out;
  out.varint(message.page).varint(message.directory).u8(message.last ? 1 : 0);
  if (message.last) out.digest(message.listing);
  write_group(out, message.body);
  return out.take();
}

Entries decode_entries(std::string_view payload) {
  PayloadReader in(payload, "Entries");
  Entries message;
  message.page = in.varint();
  message.directory = in.varint();
  message.last = in.boolean();
  if (message.last) message.listing = in.digest();
  message.body = read_group(in, kMaxPageContent);
  return message;
}

std::string encode_page(const std::vector<Entry>& entries) {
  PayloadWriter out;
  out.varint(entries.size());
  std::string_view previous;
  for (const Entry& entry : entries) {
    write_name(out, previous, entry.name);
    previous = entry.name;
    out.u8(static_cast<std::uint8_t>(entry.type));
    if (entry.type == EntryType::Directory) continue;
    write_facts(out, entry);
    if (entry.type == EntryType::File) continue;
    if (entry.type == EntryType::Symlink) out.bytes(entry.target);
    write_xattrs(out, entry.xattrs);
  }
  return out.take();
}

std::vector<Entry> decode_page(std::string_view content) {
  PayloadReader in(content, "Entries");
  std::vector<Entry> entries;
  const auto count = static_cast<std::size_t>(in.varint_to(kMaxPageEntries));
  entries.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    entries.push_back(
        read_entry(in, entries.empty() ? std::string_view() : std::string_view(entries.back().name)));
  }
  in.expect_end();
  return entries;
}

void append_record(PayloadWriter& out, const Entry& entry) {
  out.bytes(entry.name).u8(static_cast<std::uint8_t>(entry.type));
  if (entry.type != EntryType::Directory) write_facts(out, entry);
}

Entry ListingReader::next() {
  Entry entry;
  entry.name = in_.bytes(255);
  entry.type = read_type(in_);
  if (entry.type != EntryType::Directory) read_facts(in_, entry);
  return entry;
}

}  // namespace bk::pull
