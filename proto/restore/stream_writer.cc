#include "proto/restore/stream_writer.h"

#include "common/error/error.h"
#include "proto/pull/payload.h"
#include "proto/restore/events.h"

#include <utility>

namespace bk::restore {
namespace {

using pull::PayloadWriter;

constexpr std::size_t kFlushAt = 256U << 10U;
constexpr std::size_t kTextPiece = 32U << 10U;

void write_entry(PayloadWriter& out, const Entry& e) {
  out.bytes(e.name).u8(static_cast<std::uint8_t>(e.type)).varint(e.mode).varint(e.uid).varint(e.gid);
  out.varint(e.size).time(e.mtime);
  if (e.type == EntryType::CharDevice || e.type == EntryType::BlockDevice)
    out.varint(e.rdev_major).varint(e.rdev_minor);
  if (e.type == EntryType::Symlink) out.bytes(e.target);
  out.varint(e.xattrs.size());
  for (const Xattr& attribute : e.xattrs) out.bytes(attribute.name).bytes(attribute.value);
}

void write_part(PayloadWriter& out, const FilePart& part) {
  out.varint(part.inlines.size());
  for (const auto& [offset, bytes] : part.inlines) out.varint(offset).bytes(bytes);
  out.varint(part.placed_bytes).u8(part.continues ? 1 : 0);
}

PayloadWriter begin(Event event) {
  PayloadWriter out;
  out.u8(static_cast<std::uint8_t>(event));
  return out;
}

}  // namespace

StreamWriter::StreamWriter(Out out, const std::string& program) : out_(std::move(out)) {
  send(FrameType::Hello, encode(Hello{program}));
}

void StreamWriter::send(FrameType type, std::string_view payload, std::string_view rest) {
  const std::string header = frame_header(type, payload.size() + rest.size());
  digest_.update(header).update(payload);
  ++frames_;
  if (payload.size() + rest.size() > kTextPiece) {
    out_(header + std::string(payload));
    if (!rest.empty()) out_(rest);
  } else {
    out_(header + std::string(payload) + std::string(rest));
  }
}

void StreamWriter::text(std::string_view text) {
  while (!text.empty()) {
    send(FrameType::Text, text.substr(0, kTextPiece));
    text.remove_prefix(std::min(kTextPiece, text.size()));
  }
}

void StreamWriter::tree(const Tree& tree) { send(FrameType::Tree, encode(tree)); }

void StreamWriter::tree_end() {
  flush_events();
  send(FrameType::TreeEnd, {});
}

void StreamWriter::finding(const Finding& finding) { send(FrameType::Finding, encode(finding)); }

void StreamWriter::done(int status) {
  flush_events();
  Done done;
  done.status = static_cast<std::uint64_t>(status);
  done.frames = frames_;
  done.digest = digest_.finish();
  const std::string payload = encode(done);
  out_(frame_header(FrameType::Done, payload.size()) + payload);
}

void StreamWriter::fail(int status, const std::string& text) {
  const std::string payload = encode(Fail{static_cast<std::uint64_t>(status), text});
  out_(frame_header(FrameType::Fail, payload.size()) + payload);
}

void StreamWriter::event(std::string bytes) {
  if (events_.size() + bytes.size() > kMaxEventBytes) flush_events();
  if (bytes.size() > kMaxEventBytes) throw Error(Kind::Corrupt, "an entry is larger than a stream can carry");
  events_ += bytes;
  if (events_.size() >= kFlushAt) flush_events();
}

void StreamWriter::flush_events() {
  if (events_.empty()) return;
  send(FrameType::Entries, encode(Entries{encoder_.encode(events_)}));
  events_.clear();
}

void StreamWriter::enter(const Entry& directory) {
  PayloadWriter out = begin(Event::Enter);
  write_entry(out, directory);
  event(out.take());
}

void StreamWriter::leave() { event(begin(Event::Leave).take()); }

void StreamWriter::file(const Entry& entry, FilePart part) {
  PayloadWriter out = begin(Event::File);
  write_entry(out, entry);
  write_part(out, part);
  event(out.take());
}

void StreamWriter::more(FilePart part) {
  PayloadWriter out = begin(Event::More);
  write_part(out, part);
  event(out.take());
}

void StreamWriter::special(const Entry& entry) {
  PayloadWriter out = begin(Event::Special);
  write_entry(out, entry);
  event(out.take());
}

void StreamWriter::link(const std::string& existing, const Entry& entry) {
  PayloadWriter out = begin(Event::Link);
  out.bytes(existing);
  write_entry(out, entry);
  event(out.take());
}

void StreamWriter::damaged(std::uint64_t file, std::uint64_t bytes, const std::string& reason) {
  PayloadWriter out = begin(Event::Damaged);
  out.varint(file).varint(bytes).bytes(std::string_view(reason).substr(0, kMaxReason));
  event(out.take());
}

void StreamWriter::group(EncodedGroup group, std::vector<RestorePlace> places) {
  flush_events();
  Group message{std::move(places), std::move(group)};
  send(FrameType::Group, encode_places(message), message.group.bytes);
}

std::vector<bool> StreamWriter::keep(const std::vector<RestorePlace>& places) {
  flush_events();
  send(FrameType::Offer, encode(Offer{places}));
  std::vector<bool> kept = decode_keep(answer_()).kept;
  if (kept.size() != places.size()) throw Error(Kind::Protocol, "message Keep: not as many as were offered");
  return kept;
}

void StreamWriter::end_window() {
  flush_events();
  send(FrameType::Window, {});
}

}  // namespace bk::restore
