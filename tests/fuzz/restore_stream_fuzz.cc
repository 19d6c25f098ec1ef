// A restore stream from a stranger: read in two different ways, it must come to the same end.
#include "common/error/error.h"
#include "proto/restore/stream_reader.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace {

using namespace bk;

class Sink final : public RestoreSink {
 public:
  void enter(const Entry& entry) override { note("e" + entry.name); }
  void leave() override { note("l"); }
  void file(const Entry& entry, FilePart part) override {
    note("f" + entry.name + std::to_string(part.placed_bytes));
  }
  void more(FilePart part) override { note("m" + std::to_string(part.inlines.size())); }
  void special(const Entry& entry) override { note("s" + entry.target); }
  void link(const std::string& existing, const Entry& entry) override { note("k" + existing + entry.name); }
  void damaged(std::uint64_t file, std::uint64_t, const std::string& reason) override {
    note("d" + std::to_string(file) + reason);
  }
  void group(EncodedGroup group, std::vector<RestorePlace> places) override {
    if (places.size() > WindowLimits::kPlaces || group.content_bytes > kMaxGroupContent) __builtin_trap();
    note("g" + std::to_string(places.size()));
  }
  void end_window() override { note("w"); }
  std::vector<bool> keep(const std::vector<RestorePlace>& places) override {
    if (places.size() > WindowLimits::kPlaces) __builtin_trap();
    std::vector<bool> kept;
    for (const RestorePlace& place : places) kept.push_back(place.offset % 3 == 0);
    return kept;
  }
  void note(const std::string& what) { seen = seen * 31 + std::hash<std::string>()(what); }
  std::size_t seen = 0;
};

class Receiver final : public restore::Receiver {
 public:
  void text(std::string_view text) override { sink.note(std::to_string(text.size())); }
  void finding(const restore::Finding& finding) override { sink.note(finding.path + finding.text); }
  RestoreSink& tree(const restore::Tree& tree) override {
    sink.note(tree.entry + tree.path);
    return sink;
  }
  void tree_end() override { sink.note("end"); }
  void say(std::string_view frame) override {
    restore::FrameDecoder frames;
    frames.feed(frame);
    sink.note("a" + std::to_string(restore::decode_keep(frames.next()->payload).kept.size()));
  }
  Sink sink;
};

std::size_t read(std::string_view stream, std::size_t piece) {
  Receiver receiver;
  restore::StreamReader reader(receiver);
  try {
    while (!stream.empty()) {
      reader.feed(stream.substr(0, piece));
      stream.remove_prefix(std::min(piece, stream.size()));
    }
    reader.end();
  } catch (const Error& error) {
    receiver.sink.note(error.what());
  }
  return receiver.sink.seen;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view stream(reinterpret_cast<const char*>(data), size);
  if (read(stream, 1 + size % 7) != read(stream, size + 1)) __builtin_trap();
  return 0;
}
