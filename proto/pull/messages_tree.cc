// Directories and their entries: enter, leave, pages, and the records of a listing.
#include "common/path/names.h"
#include "proto/pull/attributes.h"
#include "proto/pull/listing.h"
#include "proto/pull/messages.h"
#include "proto/pull/payload.h"

#include <algorithm>

namespace bk::pull {

namespace {

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
