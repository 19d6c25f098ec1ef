#include "proto/restore/messages.h"

#include "common/path/names.h"
#include "proto/pull/payload.h"

#include <cstring>

namespace bk::restore {
namespace {

using pull::PayloadReader;
using pull::PayloadWriter;

constexpr std::string_view kMagic = "BKREST";
constexpr std::size_t kMaxWords = 256;
constexpr std::size_t kMaxWordBytes = 8192;
constexpr std::size_t kMaxText = 60000;

void begin(PayloadWriter& out) { out.raw(kMagic).varint(kVersion); }

void expect_begin(PayloadReader& in) {
  if (in.raw(kMagic.size()) != kMagic) in.fail("does not begin with BKREST");
  if (in.varint() != kVersion) in.fail("is of a version that this program does not speak");
}

void write_list(PayloadWriter& out, const std::vector<std::string>& list) {
  out.varint(list.size());
  for (const std::string& word : list) out.bytes(word);
}

std::vector<std::string> read_list(PayloadReader& in) {
  std::vector<std::string> out;
  for (auto count = in.varint_to(kMaxWords); count > 0; --count) out.emplace_back(in.bytes(kMaxWordBytes));
  return out;
}

std::string safe_or_empty(PayloadReader& in) {
  std::string name(in.bytes(64));
  if (!name.empty() && !is_safe_name(name)) in.fail("an impossible name");
  return name;
}

std::string safe(PayloadReader& in) {
  std::string name = safe_or_empty(in);
  if (name.empty()) in.fail("an impossible name");
  return name;
}

}  // namespace

std::string encode(const Ask& m) {
  PayloadWriter out;
  begin(out);
  out.bytes(m.command);
  write_list(out, m.words);
  write_list(out, m.paths);
  out.bytes(m.module).bytes(m.method).u8(static_cast<std::uint8_t>((m.json ? 1U : 0U) | (m.keeps ? 2U : 0U)));
  return out.take();
}

Ask decode_ask(std::string_view payload) {
  PayloadReader in(payload, "Ask");
  expect_begin(in);
  Ask m;
  m.command = in.bytes(64);
  m.words = read_list(in);
  m.paths = read_list(in);
  m.module = safe_or_empty(in);
  m.method = safe_or_empty(in);
  const std::uint8_t flags = in.u8();
  if (flags > 3) in.fail("unknown flags");
  m.json = (flags & 1U) != 0;
  m.keeps = (flags & 2U) != 0;
  in.expect_end();
  return m;
}

std::string encode(const Hello& m) {
  PayloadWriter out;
  begin(out);
  return out.bytes(m.program).take();
}

Hello decode_hello(std::string_view payload) {
  PayloadReader in(payload, "Hello");
  expect_begin(in);
  Hello m{std::string(in.bytes(256))};
  in.expect_end();
  return m;
}

std::string encode(const Text& m) { return m.text; }
Text decode_text(std::string_view payload) { return {std::string(payload)}; }

std::string encode(const Tree& m) {
  PayloadWriter out;
  out.bytes(m.entry).bytes(m.client).bytes(m.module).bytes(m.method).bytes(m.path).bytes(m.snapshot);
  return out.time(m.began).varint(m.files).varint(m.bytes).take();
}

Tree decode_tree(std::string_view payload) {
  PayloadReader in(payload, "Tree");
  Tree m;
  m.entry = in.bytes(255);
  if (!is_component(m.entry)) in.fail("the root's name is no component");
  m.client = safe(in);
  m.module = safe(in);
  m.method = safe(in);
  m.path = in.bytes(kMaxWordBytes);
  m.snapshot = in.bytes(64);
  if (!Digest::from_hex(m.snapshot)) in.fail("an impossible snapshot id");
  m.began = in.time();
  m.files = in.varint();
  m.bytes = in.varint();
  in.expect_end();
  return m;
}

namespace {

void write_body(PayloadWriter& out, const EncodedGroup& body) {
  out.u8(static_cast<std::uint8_t>(body.codec)).varint(body.content_bytes);
}

EncodedGroup read_body(PayloadReader& in, std::uint32_t limit) {
  EncodedGroup body;
  const std::uint8_t codec = in.u8();
  if (codec > static_cast<std::uint8_t>(Codec::Zstd)) in.fail("unknown codec");
  body.codec = static_cast<Codec>(codec);
  body.content_bytes = static_cast<std::uint32_t>(in.varint_to(limit));
  if (body.codec == Codec::Raw && in.left() != body.content_bytes) in.fail("a raw body of another length");
  body.bytes = in.raw(in.left());
  return body;
}

}  // namespace

std::string encode(const Entries& m) {
  PayloadWriter out;
  write_body(out, m.body);
  return out.raw(m.body.bytes).take();
}

Entries decode_entries(std::string_view payload) {
  PayloadReader in(payload, "Entries");
  return {read_body(in, kMaxEventBytes)};
}

// A place says how it differs from the one before: usually the next chunk of the group, at the next offset of
// the same file, or at the beginning of the next file.
std::string encode_places(const Group& m) {
  PayloadWriter out;
  out.varint(m.places.size());
  RestorePlace last;
  for (const RestorePlace& place : m.places) {
    const bool again =
        last.bytes > 0 && place.begin == last.begin && place.bytes == last.bytes && place.id == last.id;
    const std::uint64_t expected = again ? last.begin : last.begin + last.bytes;
    out.u8(again ? 1 : 0);
    if (!again) {
      out.zigzag(static_cast<std::int64_t>(place.begin) - static_cast<std::int64_t>(expected))
          .varint(place.bytes);
      out.raw(place.id.view().substr(0, kIdBytes));
    }
    out.zigzag(static_cast<std::int64_t>(place.file - last.file));
    out.varint(place.file == last.file ? place.offset - last.offset : place.offset);
    last = place;
  }
  write_body(out, m.group);
  return out.take();
}

Group decode_group(std::string_view payload) {
  PayloadReader in(payload, "Group");
  Group m;
  RestorePlace last;
  const std::uint64_t count = in.varint_to(WindowLimits::kPlaces);
  m.places.reserve(std::min<std::size_t>(count, in.left()));
  for (std::uint64_t i = 0; i < count; ++i) {
    RestorePlace place = last;
    if (!in.boolean()) {
      const std::int64_t skip = in.zigzag();
      if (skip > std::int64_t{kMaxGroupContent} || skip < -std::int64_t{kMaxGroupContent})
        in.fail("an impossible place");
      const std::int64_t at = static_cast<std::int64_t>(last.begin) + last.bytes + skip;
      if (at < 0 || at > std::int64_t{kMaxGroupContent}) in.fail("an impossible place");
      place.begin = static_cast<std::uint32_t>(at);
      place.bytes = static_cast<std::uint32_t>(in.varint_to(kMaxObjectBytes));
      std::memcpy(place.id.bytes.data(), in.raw(kIdBytes).data(), kIdBytes);
    } else if (i == 0) {
      in.fail("the first place repeats another");
    }
    place.file = last.file + static_cast<std::uint64_t>(in.zigzag());
    const std::uint64_t offset = in.varint();
    place.offset = place.file == last.file ? last.offset + offset : offset;
    m.places.push_back(place);
    last = place;
  }
  m.group = read_body(in, kMaxGroupContent);
  return m;
}

std::string encode(const Offer& m) {
  PayloadWriter out;
  out.varint(m.places.size());
  RestorePlace last;
  for (const RestorePlace& place : m.places) {
    out.zigzag(static_cast<std::int64_t>(place.file - last.file));
    out.varint(place.file == last.file ? place.offset - last.offset : place.offset);
    out.varint(place.bytes).raw(place.id.view().substr(0, kIdBytes));
    last = place;
  }
  return out.take();
}

Offer decode_offer(std::string_view payload) {
  PayloadReader in(payload, "Offer");
  Offer m;
  RestorePlace last;
  const std::uint64_t count = in.varint_to(WindowLimits::kPlaces);
  m.places.reserve(std::min<std::size_t>(count, in.left()));
  for (std::uint64_t i = 0; i < count; ++i) {
    RestorePlace place;
    place.file = last.file + static_cast<std::uint64_t>(in.zigzag());
    const std::uint64_t offset = in.varint();
    place.offset = place.file == last.file ? last.offset + offset : offset;
    place.bytes = static_cast<std::uint32_t>(in.varint_to(kMaxObjectBytes));
    std::memcpy(place.id.bytes.data(), in.raw(kIdBytes).data(), kIdBytes);
    m.places.push_back(place);
    last = place;
  }
  in.expect_end();
  return m;
}

std::string encode(const Keep& m) {
  std::string bits((m.kept.size() + 7) / 8, '\0');
  for (std::size_t i = 0; i < m.kept.size(); ++i)
    if (m.kept[i]) bits[i / 8] = static_cast<char>(static_cast<unsigned char>(bits[i / 8]) | 1U << i % 8);
  PayloadWriter out;
  return out.varint(m.kept.size()).raw(bits).take();
}

Keep decode_keep(std::string_view payload) {
  PayloadReader in(payload, "Keep");
  Keep m;
  m.kept.resize(in.varint_to(WindowLimits::kPlaces));
  const std::string_view bits = in.raw((m.kept.size() + 7) / 8);
  for (std::size_t i = 0; i < m.kept.size(); ++i)
    m.kept[i] = (static_cast<unsigned char>(bits[i / 8]) >> i % 8 & 1U) != 0;
  in.expect_end();
  return m;
}

std::string encode(const Finding& m) {
  PayloadWriter out;
  return out.u8(m.damaged ? 1 : 0)
      .bytes(m.path.substr(0, kMaxText / 2))
      .bytes(m.text.substr(0, kMaxText / 2))
      .take();
}

Finding decode_finding(std::string_view payload) {
  PayloadReader in(payload, "Finding");
  Finding m;
  m.damaged = in.boolean();
  m.path = in.bytes(kMaxText);
  m.text = in.bytes(kMaxText);
  in.expect_end();
  return m;
}

std::string encode(const Done& m) {
  PayloadWriter out;
  return out.varint(m.status).varint(m.frames).digest(m.digest).take();
}

Done decode_done(std::string_view payload) {
  PayloadReader in(payload, "Done");
  Done m;
  m.status = in.varint_to(255);
  m.frames = in.varint();
  m.digest = in.digest();
  in.expect_end();
  return m;
}

std::string encode(const Fail& m) {
  PayloadWriter out;
  return out.varint(m.status).bytes(m.text.substr(0, 4000)).take();
}

Fail decode_fail(std::string_view payload) {
  PayloadReader in(payload, "Fail");
  Fail m;
  m.status = in.varint_to(255);
  m.text = in.bytes(4000);
  in.expect_end();
  return m;
}

}  // namespace bk::restore
