#include "tests/support/restore_samples.h"

#include "proto/restore/frame.h"

namespace bk::test {
namespace {

const std::string kChunk = "seventeen bytes.\n";

restore::Tree sample_tree() {
  return {"0_back", "web1", "directories", "rsync", "/srv", std::string(64, 'a'), {1783955349, 5}, 2, 23};
}

FilePart inline_part(const std::string& bytes) {
  FilePart part;
  part.inlines.emplace_back(0, bytes);
  return part;
}

FilePart placed_part(std::uint64_t bytes, bool continues = false) {
  FilePart part;
  part.placed_bytes = bytes;
  part.continues = continues;
  return part;
}

void rich_tree(restore::StreamWriter& out) {
  out.enter(sample_entry("0_back", EntryType::Directory));
  Entry noted = sample_entry("noted", EntryType::File, 34);
  noted.xattrs = {{"user.note", "x"}};
  out.file(noted, placed_part(34));
  out.file(sample_entry("same", EntryType::File, 17), placed_part(17));
  out.enter(sample_entry("below", EntryType::Directory));
  Entry link = sample_entry("link", EntryType::Symlink);
  link.target = "../same";
  out.special(link);
  out.special(sample_entry("fifo", EntryType::Fifo));
  out.link("0_back/same", sample_entry("other", EntryType::File, 17));
  out.leave();
  out.file(sample_entry("lost", EntryType::File, 100), placed_part(100));
  out.damaged(2, 100, "a chunk is missing");
  out.file(sample_entry("two", EntryType::File, 1017), placed_part(17, true));
  out.group(raw_group({kChunk}), {place_of(kChunk, 0, 0), place_of(kChunk, 0, 0, 17), place_of(kChunk, 0, 1),
                                  place_of(kChunk, 0, 3)});
  out.end_window();
  out.more(placed_part(17));
  out.group(raw_group({"x", kChunk}), {place_of(kChunk, 1, 3, 1000)});
  out.leave();
  out.end_window();
}

}  // namespace

Entry sample_entry(const std::string& name, EntryType type, std::uint64_t size) {
  Entry entry;
  entry.name = name;
  entry.type = type;
  entry.mode = type == EntryType::Directory ? 0755 : 0644;
  entry.size = size;
  entry.mtime = {1783955340, 7};
  return entry;
}

EncodedGroup raw_group(const std::vector<std::string>& chunks) {
  EncodedGroup group;
  for (const std::string& chunk : chunks) group.bytes += chunk;
  group.content_bytes = static_cast<std::uint32_t>(group.bytes.size());
  return group;
}

RestorePlace place_of(const std::string& chunk, std::uint32_t begin, std::uint64_t file,
                      std::uint64_t offset) {
  return {begin, static_cast<std::uint32_t>(chunk.size()), file, offset, chunk_id(ObjectKind::Data, chunk)};
}

restore::Ask sample_ask() { return {"export", {"0", "<2026-07-14,1"}, {"www/img"}, "", "rsync", false}; }

std::string sample_stream() {
  std::string bytes;
  restore::StreamWriter out([&](std::string_view part) { bytes += part; }, "bkdb");
  out.tree(sample_tree());
  out.enter(sample_entry("0_back", EntryType::Directory));
  out.file(sample_entry("a", EntryType::File, 6), inline_part("hello\n"));
  out.file(sample_entry("b", EntryType::File, 17), placed_part(17));
  out.leave();
  out.group(raw_group({kChunk}), {place_of(kChunk, 0, 1)});
  out.end_window();
  out.tree_end();
  out.done(0);
  return bytes;
}

std::string rich_stream() {
  std::string bytes;
  restore::StreamWriter out([&](std::string_view part) { bytes += part; }, "bkdb");
  out.text("[0] /srv\n");
  out.finding({true, "0_back/x", "damaged"});
  out.tree(sample_tree());
  rich_tree(out);
  out.tree_end();
  out.done(3);
  return bytes;
}

std::string offered_stream(const std::vector<bool>& kept) {
  std::string bytes;
  restore::StreamWriter out([&](std::string_view part) { bytes += part; }, "bkdb");
  out.offer([&] { return restore::encode(restore::Keep{kept}); });
  out.tree(sample_tree());
  out.enter(sample_entry("0_back", EntryType::Directory));
  out.file(sample_entry("a", EntryType::File, 34), placed_part(34));
  out.file(sample_entry("b", EntryType::File, 17), placed_part(17));
  out.leave();
  const std::vector<RestorePlace> places = {place_of(kChunk, 0, 0), place_of(kChunk, 0, 0, 17),
                                            place_of(kChunk, 0, 1)};
  const std::vector<bool> there = out.keep(places);
  std::vector<RestorePlace> needed;
  for (std::size_t i = 0; i < places.size(); ++i)
    if (!there[i]) needed.push_back(places[i]);
  if (!needed.empty()) out.group(raw_group({kChunk}), needed);
  out.end_window();
  out.tree_end();
  out.done(0);
  return bytes;
}

std::vector<std::string> frames_of(const std::string& stream) {
  std::vector<std::string> out;
  restore::FrameDecoder decoder;
  decoder.feed(stream);
  while (const auto frame = decoder.next())
    out.push_back(restore::frame_header(frame->type, frame->payload.size()) + frame->payload);
  return out;
}

}  // namespace bk::test
