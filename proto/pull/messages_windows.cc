// Old versions of changed files: their chunk lists, signatures of what was replaced, deltas.
#include "common/delta/delta.h"
#include "proto/pull/attributes.h"
#include "proto/pull/messages.h"
#include "proto/pull/payload.h"

namespace bk::pull {

namespace {

constexpr std::size_t kOldIdBytes = kOldIdBits / 8;

void write_old_id(PayloadWriter& out, std::uint64_t id) {
  for (std::size_t i = 0; i < kOldIdBytes; ++i) out.u8(static_cast<std::uint8_t>(id >> (8 * i)));
}

std::uint64_t read_old_id(PayloadReader& in) {
  std::uint64_t id = 0;
  for (std::size_t i = 0; i < kOldIdBytes; ++i) id |= static_cast<std::uint64_t>(in.u8()) << (8 * i);
  return id;
}

Signatures::Window read_window(PayloadReader& in, std::uint64_t& from) {
  Signatures::Window window;
  window.first = from + in.varint_to(kMaxBatchItems);
  window.count = in.varint_to(kMaxBatchItems);
  window.block = in.u32();
  window.sums = in.bytes(kMaxSignatureBytes);
  from = window.first + window.count;
  if (window.count == 0 || from > kMaxBatchItems) in.fail("a window outside of its batch");
  if (!is_block_size(window.block)) in.fail("a block of a size that is not allowed");
  if (window.sums.empty() || window.sums.size() % kBlockSumBytes != 0) in.fail("broken sums");
  if (window.sums.size() / kBlockSumBytes > kMaxWindowBytes / window.block + 1) in.fail("too many sums");
  return window;
}

}  // namespace

std::string encode(const OldFiles& message) {
  PayloadWriter out;
  out.varint(message.page).raw(message.salt);
  message.files.write(out);
  return out.take();
}

OldFiles decode_old_files(std::string_view payload) {
  PayloadReader in(payload, "OldFiles");
  OldFiles message;
  message.page = in.varint();
  message.salt = in.raw(kSaltBytes);
  message.files = Bitmap::read(in, kMaxPageEntries);
  in.expect_end();
  return message;
}

std::string encode(const OldContent& message) {
  PayloadWriter out;
  out.varint(message.page).varint(message.index).u8(message.last ? 1 : 0).varint(message.ids.size());
  for (const std::uint64_t id : message.ids) write_old_id(out, id);
  return out.take();
}

OldContent decode_old_content(std::string_view payload) {
  PayloadReader in(payload, "OldContent");
  OldContent message;
  message.page = in.varint();
  message.index = in.varint_to(kMaxPageEntries - 1);
  message.last = in.boolean();
  message.ids.resize(static_cast<std::size_t>(in.varint_to(kOldFrameIds)));
  for (std::uint64_t& id : message.ids) id = read_old_id(in);
  in.expect_end();
  return message;
}

std::string encode(const Signatures& message) {
  PayloadWriter out;
  out.varint(message.batch).varint(message.windows.size());
  std::uint64_t from = 0;
  for (const Signatures::Window& window : message.windows) {
    out.varint(window.first - from).varint(window.count).varint(window.block).bytes(window.sums);
    from = window.first + window.count;
  }
  return out.take();
}

Signatures decode_signatures(std::string_view payload) {
  PayloadReader in(payload, "Signatures");
  Signatures message;
  message.batch = in.varint();
  const auto count = static_cast<std::size_t>(in.varint_to(kMaxSignatures));
  if (count == 0) in.fail("no windows");
  std::uint64_t from = 0;
  for (std::size_t i = 0; i < count; ++i) message.windows.push_back(read_window(in, from));
  in.expect_end();
  return message;
}

std::string encode(const Delta& message) {
  PayloadWriter out;
  out.varint(message.batch).varint(message.lengths.size());
  for (const std::uint32_t length : message.lengths) out.varint(length);
  write_group(out, message.body);
  return out.take();
}

Delta decode_delta(std::string_view payload) {
  PayloadReader in(payload, "Delta");
  Delta message;
  message.batch = in.varint();
  const auto count = static_cast<std::size_t>(in.varint_to(kMaxSignatures));
  for (std::size_t i = 0; i < count; ++i) {
    message.lengths.push_back(static_cast<std::uint32_t>(in.varint_to(kMaxGroupContent)));
  }
  message.body = read_group(in, kMaxGroupContent);
  if (message.body.content_bytes == 0) in.fail("an empty delta");
  in.expect_end();
  return message;
}

}  // namespace bk::pull
