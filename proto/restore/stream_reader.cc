#include "proto/restore/stream_reader.h"

#include "common/error/error.h"
#include "proto/pull/payload.h"
#include "proto/restore/events.h"

#include <limits>

namespace bk::restore {
namespace {

using pull::PayloadReader;

Entry read_entry(PayloadReader& in) {
  Entry e;
  e.name = in.bytes(255);
  const std::uint8_t type = in.u8();
  if (!is_entry_type(type)) in.fail("an entry of unknown type");
  e.type = static_cast<EntryType>(type);
  e.mode = static_cast<std::uint32_t>(in.varint_to(07777));
  e.uid = in.u32();
  e.gid = in.u32();
  e.size = in.varint_to(std::numeric_limits<std::int64_t>::max());
  e.mtime = in.time();
  if (e.type == EntryType::CharDevice || e.type == EntryType::BlockDevice) {
    e.rdev_major = in.u32();
    e.rdev_minor = in.u32();
  }
  if (e.type == EntryType::Symlink) {
    e.target = in.bytes(kMaxTarget);
    if (e.target.empty() || e.target.find('\0') != std::string::npos) in.fail("an impossible link target");
  }
  for (auto count = in.varint_to(kMaxXattrNumber); count > 0; --count) {
    Xattr attribute{std::string(in.bytes(255)), std::string(in.bytes(65536))};
    if (attribute.name.empty() || attribute.name.find('\0') != std::string::npos)
      in.fail("an impossible attribute's name");
    e.xattrs.push_back(std::move(attribute));
  }
  return e;
}

FilePart read_part(PayloadReader& in) {
  FilePart part;
  for (auto count = in.varint_to(in.left()); count > 0; --count) {
    const std::uint64_t offset = in.varint();
    part.inlines.emplace_back(offset, in.bytes(kMaxEventBytes));
  }
  part.placed_bytes = in.varint_to(std::numeric_limits<std::int64_t>::max());
  part.continues = in.boolean();
  return part;
}

// What the far side's error means for us; a status that is nobody's is its fault.
Kind kind_of(std::uint64_t status) {
  for (const Kind kind :
       {Kind::Usage, Kind::Config, Kind::Transient, Kind::Refused, Kind::Corrupt, Kind::NotFound, Kind::Io})
    if (static_cast<std::uint64_t>(exit_status(kind)) == status) return kind;
  return Kind::Protocol;
}

// For one line on a terminal.
std::string printable(std::string text) {
  for (char& c : text)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  return text;
}

void require_type(PayloadReader& in, const Entry& entry, bool right) {
  if (!right)
    in.fail("an entry of type " + std::string(1, static_cast<char>(entry.type)) + " in the wrong place");
}

}  // namespace

void Receiver::say(std::string_view) { throw Error(Kind::Protocol, "a question, where nobody can answer"); }

void StreamReader::feed(std::string_view bytes) {
  frames_.feed(bytes);
  while (const std::optional<Frame> frame = frames_.next()) take(*frame);
}

void StreamReader::end() {
  if (!status_) throw Error(Kind::Protocol, "the stream was cut: it has no end record");
  if (!frames_.empty()) throw Error(Kind::Protocol, "bytes follow the end of the stream");
}

void StreamReader::check_order(FrameType type) const {
  const auto refuse = [&](const char* why) {
    throw Error(Kind::Protocol, std::string("message ") + frame_name(type) + " " + why);
  };
  if (status_) refuse("behind the end of the stream");
  if (type == FrameType::Ask || type == FrameType::Keep) refuse("from the wrong side");
  if ((count_ == 0) != (type == FrameType::Hello) && type != FrameType::Fail) refuse("where Hello belongs");
  const bool inside = type == FrameType::Entries || type == FrameType::Group || type == FrameType::Window ||
                      type == FrameType::TreeEnd || type == FrameType::Offer;
  if (inside && sink_ == nullptr) refuse("outside of a tree");
  if ((type == FrameType::Tree || type == FrameType::Done) && sink_ != nullptr) refuse("within a tree");
}

void StreamReader::take(const Frame& frame) {
  check_order(frame.type);
  if (frame.type == FrameType::Done) return take_done(frame);
  if (frame.type == FrameType::Group) {
    take_group(frame);
    ++count_;
    return;
  }
  digest_.update(frame_header(frame.type, frame.payload.size())).update(frame.payload);
  ++count_;
  switch (frame.type) {
    case FrameType::Hello:
      (void)decode_hello(frame.payload);
      return;
    case FrameType::Text:
      return receiver_.text(decode_text(frame.payload).text);
    case FrameType::Finding:
      return receiver_.finding(decode_finding(frame.payload));
    case FrameType::Tree:
      sink_ = &receiver_.tree(decode_tree(frame.payload));
      return;
    case FrameType::Entries:
      return take_entries(frame.payload);
    case FrameType::Window:
      return sink_->end_window();
    case FrameType::Offer: {
      const std::string answer = encode(Keep{sink_->keep(decode_offer(frame.payload).places)});
      return receiver_.say(frame_header(FrameType::Keep, answer.size()) + answer);
    }
    case FrameType::TreeEnd:
      sink_ = nullptr;
      return receiver_.tree_end();
    case FrameType::Fail: {
      const Fail fail = decode_fail(frame.payload);
      throw Error(kind_of(fail.status), "the server says: " + printable(fail.text));
    }
    default:
      throw Error(Kind::Protocol, "an unexpected message");
  }
}

void StreamReader::take_entries(std::string_view payload) {
  const Entries message = decode_entries(payload);
  std::string_view body;
  try {
    body = decoder_.decode_into(message.body, events_);
  } catch (const Error& error) {
    throw Error(Kind::Protocol, std::string("message Entries: ") + error.what());
  }
  PayloadReader in(body, "Entries");
  while (!in.at_end()) take_event(in);
}

void StreamReader::take_event(PayloadReader& in) {
  switch (static_cast<Event>(in.u8())) {
    case Event::Enter: {
      const Entry entry = read_entry(in);
      require_type(in, entry, entry.type == EntryType::Directory);
      return sink_->enter(entry);
    }
    case Event::Leave:
      return sink_->leave();
    case Event::File: {
      const Entry entry = read_entry(in);
      require_type(in, entry, entry.type == EntryType::File);
      return sink_->file(entry, read_part(in));
    }
    case Event::More:
      return sink_->more(read_part(in));
    case Event::Special: {
      const Entry entry = read_entry(in);
      require_type(in, entry, entry.type != EntryType::File && entry.type != EntryType::Directory);
      return sink_->special(entry);
    }
    case Event::Link: {
      const std::string existing(in.bytes(kMaxLinkPath));
      const Entry entry = read_entry(in);
      require_type(in, entry, entry.type != EntryType::Directory);
      return sink_->link(existing, entry);
    }
    case Event::Damaged: {
      const std::uint64_t file = in.varint();
      const std::uint64_t bytes = in.varint();
      return sink_->damaged(file, bytes, std::string(in.bytes(kMaxReason)));
    }
  }
  in.fail("an unknown event");
}

void StreamReader::take_group(const Frame& frame) {
  Group message = decode_group(frame.payload);
  const std::size_t covered = frame.payload.size() - message.group.bytes.size();
  digest_.update(frame_header(frame.type, frame.payload.size()));
  digest_.update(std::string_view(frame.payload).substr(0, covered));
  sink_->group(std::move(message.group), std::move(message.places));
}

void StreamReader::take_done(const Frame& frame) {
  const Done done = decode_done(frame.payload);
  if (done.frames != count_ || done.digest != digest_.finish())
    throw Error(Kind::Protocol, "the end record does not fit to what came before it");
  status_ = static_cast<int>(done.status);
}

}  // namespace bk::restore
