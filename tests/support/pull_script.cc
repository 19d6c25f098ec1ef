#include "tests/support/pull_script.h"

#include "common/digest/sha256.h"
#include "proto/pull/listing.h"

#include <algorithm>
#include <cstring>

namespace bk::test {

using namespace bk::pull;

std::size_t ScriptStream::read(void* buffer, std::size_t size, Millis) {
  const std::size_t count = std::min(size, script_.size() - at_);
  std::memcpy(buffer, script_.data() + at_, count);
  at_ += count;
  return count;
}

std::size_t RecordingStream::read(void* buffer, std::size_t size, Millis deadline) {
  const std::size_t got = inner_.read(buffer, size, deadline);
  from_agent_.append(static_cast<const char*>(buffer), got);
  return got;
}

std::size_t RecordingStream::try_read(void* buffer, std::size_t size) {
  const std::size_t got = inner_.try_read(buffer, size);
  from_agent_.append(static_cast<const char*>(buffer), got);
  return got;
}

void RecordingStream::write(std::string_view bytes, Millis deadline) {
  from_server_ += bytes;
  inner_.write(bytes, deadline);
}

AgentScript::AgentScript(std::vector<std::string> features) {
  say(FrameType::AgentHello, AgentHello{kVersion, std::move(features), "script"});
  say(FrameType::Opened, Opened{});
}

AgentScript& AgentScript::say_payload(FrameType type, std::string_view payload) {
  append_frame(bytes_, type, payload);
  ++frames_;
  return *this;
}

AgentScript& AgentScript::enter(const std::string& name) { return say(FrameType::Enter, Enter{name}); }

AgentScript& AgentScript::leave(std::uint64_t entries) {
  Leave message;
  message.number = leaves_++;
  message.entries = entries;
  return say(FrameType::Leave, message);
}

AgentScript& AgentScript::page(std::uint64_t number, std::uint64_t directory,
                               const std::vector<Entry>& entries, bool last) {
  PayloadWriter records;
  for (const Entry& entry : entries) append_record(records, entry);
  Entries message;
  message.page = number;
  message.directory = directory;
  message.last = last;
  message.listing = Sha256::of(records.view());
  message.body.bytes = encode_page(entries);
  message.body.content_bytes = static_cast<std::uint32_t>(message.body.bytes.size());
  return say(FrameType::Entries, message);
}

AgentScript& AgentScript::recipe(std::uint64_t batch, std::vector<RecipeItem> items) {
  return say(FrameType::Recipe, Recipe{batch, std::move(items)});
}

AgentScript& AgentScript::group(std::uint64_t batch, const std::string& content) {
  return say(FrameType::Group,
             Group{batch, {Codec::Raw, content, static_cast<std::uint32_t>(content.size())}});
}

AgentScript& AgentScript::done() {
  Done message;
  message.frames = frames_;
  return say(FrameType::Done, message);
}

AgentScript& AgentScript::raw(std::string_view bytes) {
  bytes_ += bytes;
  return *this;
}

Entry script_file(const std::string& name, std::uint64_t size) {
  Entry entry;
  entry.name = name;
  entry.mode = 0644;
  entry.size = size;
  entry.inode = 7;
  return entry;
}

std::vector<std::size_t> frame_ends(std::string_view stream) {
  std::vector<std::size_t> ends;
  FrameDecoder decoder;
  std::size_t at = 0;
  for (std::size_t i = 0; i < stream.size(); ++i) {
    decoder.feed(stream.substr(i, 1));
    while (auto frame = decoder.next()) ends.push_back(at = i + 1);
  }
  return ends;
}

}  // namespace bk::test
