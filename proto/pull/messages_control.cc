// The small messages: hello, open, verdicts, wants, need, and the ends.
#include "common/path/names.h"
#include "proto/pull/messages.h"
#include "proto/pull/payload.h"

#include <limits>

namespace bk::pull {

namespace {

constexpr std::size_t kMaxFeatures = 64;
constexpr std::size_t kMaxFeatureBytes = 48;
constexpr std::size_t kMaxTextBytes = 4000;

void write_features(PayloadWriter& out, const std::vector<std::string>& features) {
  out.varint(features.size());
  for (const std::string& name : features) out.bytes(name);
}

std::vector<std::string> read_features(PayloadReader& in) {
  std::vector<std::string> features(static_cast<std::size_t>(in.varint_to(kMaxFeatures)));
  for (std::string& name : features) {
    name = in.bytes(kMaxFeatureBytes);
    if (!is_safe_name(name)) in.fail("a feature's name has characters that names do not have");
  }
  return features;
}

std::string clip(std::string_view text) { return std::string(text.substr(0, kMaxTextBytes)); }

}  // namespace

std::string encode(const Hello& message) {
  PayloadWriter out;
  out.raw("BKPULL").varint(message.version);
  write_features(out, message.features);
  out.varint(message.chunker.min_bytes)
      .varint(message.chunker.average_bytes)
      .varint(message.chunker.max_bytes);
  out.u8(message.id_algorithm).varint(message.key_domain);
  return out.take();
}

Hello decode_hello(std::string_view payload) {
  PayloadReader in(payload, "Hello");
  if (in.raw(6) != "BKPULL") in.fail("does not begin with BKPULL");
  Hello message;
  message.version = in.u32();
  message.features = read_features(in);
  message.chunker = {in.u32(), in.u32(), in.u32()};
  message.id_algorithm = in.u8();
  message.key_domain = static_cast<std::uint16_t>(in.varint_to(0xffff));
  if (message.version == kVersion) in.expect_end();  // a later version may have more to say
  return message;
}

std::string encode(const AgentHello& message) {
  PayloadWriter out;
  out.raw("BKPULL").varint(message.version);
  write_features(out, message.features);
  out.bytes(message.program);
  return out.take();
}

AgentHello decode_agent_hello(std::string_view payload) {
  PayloadReader in(payload, "AgentHello");
  if (in.raw(6) != "BKPULL") in.fail("does not begin with BKPULL");
  AgentHello message;
  message.version = in.u32();
  message.features = read_features(in);
  message.program = in.bytes(256);
  if (message.version == kVersion) in.expect_end();
  return message;
}

std::string encode(const Open& message) {
  PayloadWriter out;
  out.bytes(message.root);
  return out.take();
}

Open decode_open(std::string_view payload) {
  PayloadReader in(payload, "Open");
  Open message{std::string(in.bytes(4096))};
  if (!is_clean_absolute(message.root)) in.fail("the root is not a clean absolute path");
  in.expect_end();
  return message;
}

std::string encode(const Verdicts& message) {
  PayloadWriter out;
  out.varint(message.first);
  message.want.write(out);
  return out.take();
}

Verdicts decode_verdicts(std::string_view payload) {
  PayloadReader in(payload, "Verdicts");
  Verdicts message;
  message.first = in.varint();
  message.want = Bitmap::read(in, kMaxOpenDirectories);
  in.expect_end();
  return message;
}

std::string encode(const Wants& message) {
  PayloadWriter out;
  out.varint(message.page);
  message.content.write(out);
  return out.take();
}

Wants decode_wants(std::string_view payload) {
  PayloadReader in(payload, "Wants");
  Wants message;
  message.page = in.varint();
  message.content = Bitmap::read(in, kMaxPageEntries);
  in.expect_end();
  return message;
}

std::string encode(const Need& message) {
  PayloadWriter out;
  out.varint(message.batch);
  message.chunks.write(out);
  return out.take();
}

Need decode_need(std::string_view payload) {
  PayloadReader in(payload, "Need");
  Need message;
  message.batch = in.varint();
  message.chunks = Bitmap::read(in, kMaxBatchItems);
  in.expect_end();
  return message;
}

std::string encode(const Opened& message) {
  PayloadWriter out;
  out.varint(message.rules);
  return out.take();
}

Opened decode_opened(std::string_view payload) {
  PayloadReader in(payload, "Opened");
  Opened message{in.varint()};
  in.expect_end();
  return message;
}

std::string encode(const Refused& message) {
  PayloadWriter out;
  out.bytes(clip(message.reason));
  return out.take();
}

Refused decode_refused(std::string_view payload) {
  PayloadReader in(payload, "Refused");
  Refused message{std::string(in.bytes(kMaxTextBytes))};
  in.expect_end();
  return message;
}

const char* skip_reason_word(SkipReason reason) {
  switch (reason) {
    case SkipReason::Unreadable:
      return "unreadable";
    case SkipReason::Changed:
      return "changed";
    case SkipReason::Denied:
      return "denied";
    case SkipReason::Xattr:
      return "xattr";
    case SkipReason::Large:
      return "large";
  }
  return "unknown";
}

std::string encode(const Skipped& message) {
  PayloadWriter out;
  out.u8(static_cast<std::uint8_t>(message.reason)).varint(message.error).bytes(message.path);
  return out.take();
}

Skipped decode_skipped(std::string_view payload) {
  PayloadReader in(payload, "Skipped");
  Skipped message;
  const std::uint8_t reason = in.u8();
  if (reason < 1 || reason > static_cast<std::uint8_t>(SkipReason::Large)) in.fail("unknown reason");
  message.reason = static_cast<SkipReason>(reason);
  message.error = static_cast<std::uint32_t>(in.varint_to(4095));
  message.path = in.bytes(kMaxReportPathBytes);
  if (message.path.find('\0') != std::string::npos) in.fail("NUL in a path");
  in.expect_end();
  return message;
}

std::string encode(const Continue& message) {
  PayloadWriter out;
  out.varint(message.page).varint(message.files.size());
  for (const Continue::File& file : message.files) out.varint(file.index).varint(file.bytes);
  return out.take();
}

Continue decode_continue(std::string_view payload) {
  PayloadReader in(payload, "Continue");
  Continue message;
  message.page = in.varint();
  message.files.resize(static_cast<std::size_t>(in.varint_to(kMaxContinued)));
  if (message.files.empty()) in.fail("no files");
  std::uint64_t least = 0;
  for (Continue::File& file : message.files) {
    file.index = in.varint_to(kMaxPageEntries - 1);
    file.bytes = in.varint_to(std::numeric_limits<std::int64_t>::max());
    if (file.index < least || file.bytes == 0) in.fail("files out of order, or an empty beginning");
    least = file.index + 1;
  }
  in.expect_end();
  return message;
}

std::string encode(const Heartbeat&) { return {}; }

Heartbeat decode_heartbeat(std::string_view payload) {
  PayloadReader(payload, "Heartbeat").expect_end();
  return {};
}

std::string encode(const KeepAlive&) { return {}; }

KeepAlive decode_keep_alive(std::string_view payload) {
  PayloadReader(payload, "KeepAlive").expect_end();
  return {};
}

std::string encode(const Done& message) {
  PayloadWriter out;
  out.varint(message.frames).varint(message.files).varint(message.directories).varint(message.others);
  out.varint(message.bytes).varint(message.skipped).varint(message.vanished);
  out.varint(message.read_files).varint(message.read_bytes);
  return out.take();
}

Done decode_done(std::string_view payload) {
  PayloadReader in(payload, "Done");
  Done message;
  for (std::uint64_t* field :
       {&message.frames, &message.files, &message.directories, &message.others, &message.bytes,
        &message.skipped, &message.vanished, &message.read_files, &message.read_bytes}) {
    *field = in.varint();
  }
  in.expect_end();
  return message;
}

std::string encode(const Fail& message) {
  PayloadWriter out;
  out.u8(message.kind).bytes(clip(message.text));
  return out.take();
}

Fail decode_fail(std::string_view payload) {
  PayloadReader in(payload, "Fail");
  Fail message;
  message.kind = in.u8();
  message.text = in.bytes(kMaxTextBytes);
  in.expect_end();
  return message;
}

}  // namespace bk::pull
