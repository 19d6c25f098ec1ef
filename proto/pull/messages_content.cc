// File content: recipes and groups.
#include "proto/pull/attributes.h"
#include "proto/pull/messages.h"
#include "proto/pull/old_position.h"
#include "proto/pull/payload.h"

#include <array>
#include <limits>

namespace bk::pull {

namespace {

constexpr std::uint32_t kMaxChunkBytes = 4U << 20U;
constexpr std::uint64_t kMaxFileBytes = std::numeric_limits<std::int64_t>::max();

// The byte before an item, in the order of RecipeItem's alternatives.
constexpr std::array<std::uint8_t, std::variant_size_v<RecipeItem>> kItemBytes{0, 1, 2, 3, 4, 5, 6, 10, 7};

struct ItemWriter {
  PayloadWriter& out;
  void operator()(const BeginFile& item) const {
    out.varint(item.page).varint(item.index);
    write_xattrs(out, item.xattrs);
  }
  void operator()(const ChunkItem& item) const { out.varint(item.bytes).digest(item.id); }
  void operator()(const HoleItem& item) const { out.varint(item.bytes); }
  void operator()(const InlineItem& item) const { out.bytes(item.bytes); }
  void operator()(const ContinuedItem& item) const { out.varint(item.bytes); }
  void operator()(const EndFile& item) const {
    out.u8(static_cast<std::uint8_t>(item.status)).u8(item.after ? 1 : 0);
    if (item.after) write_stat(out, *item.after);
  }
  void operator()(const UnaskedItem& item) const { item.chunks.write(out); }
  void operator()(const KeptItem& item) const { out.zigzag(item.skip).varint(item.count); }
  void operator()(const SumItem& item) const {
    for (unsigned i = 0; i < 8; ++i) out.u8(static_cast<std::uint8_t>(item.sum >> (8 * i)));
  }
};

BeginFile read_begin(PayloadReader& in) {
  BeginFile item;
  item.page = in.varint();
  item.index = in.varint_to(kMaxPageEntries - 1);
  item.xattrs = read_xattrs(in);
  return item;
}

ChunkItem read_chunk(PayloadReader& in) {
  ChunkItem item;
  item.bytes = static_cast<std::uint32_t>(in.varint_to(kMaxChunkBytes));
  if (item.bytes == 0) in.fail("an empty chunk");
  item.id = in.digest();
  return item;
}

HoleItem read_hole(PayloadReader& in) {
  const HoleItem item{in.varint_to(kMaxFileBytes)};
  if (item.bytes == 0) in.fail("an empty hole");
  return item;
}

InlineItem read_inline(PayloadReader& in) {
  InlineItem item{std::string(in.bytes(kMaxInlineBytes))};
  if (item.bytes.empty()) in.fail("an empty inline stretch");
  return item;
}

EndFile read_end(PayloadReader& in) {
  EndFile item;
  item.status = static_cast<FileStatus>(in.varint_to(static_cast<std::uint8_t>(FileStatus::Unreadable)));
  if (in.boolean()) item.after = read_stat(in);
  return item;
}

KeptItem read_kept(PayloadReader& in) {
  KeptItem item;
  item.skip = in.zigzag();
  item.count = in.varint_to(kOldWindow);
  if (item.count == 0) in.fail("no kept chunks");
  return item;
}

SumItem read_sum(PayloadReader& in) {
  SumItem item;
  for (unsigned i = 0; i < 8; ++i) item.sum |= static_cast<std::uint64_t>(in.u8()) << (8 * i);
  return item;
}

ContinuedItem read_continued(PayloadReader& in) {
  const ContinuedItem item{in.varint_to(kMaxFileBytes)};
  if (item.bytes == 0) in.fail("an empty beginning");
  return item;
}

UnaskedItem read_unasked(PayloadReader& in) {
  UnaskedItem item{Bitmap::read(in, kMaxBatchItems)};
  if (item.chunks.count() == 0) in.fail("nothing that comes unasked");
  return item;
}

RecipeItem read_item(PayloadReader& in) {
  switch (in.varint()) {
    case 0:
      return read_begin(in);
    case 1:
      return read_chunk(in);
    case 2:
      return read_hole(in);
    case 3:
      return read_inline(in);
    case 4:
      return read_end(in);
    case 5:
      return read_kept(in);
    case 6:
      return read_sum(in);
    case 7:
      return read_unasked(in);
    case 10:
      return read_continued(in);
    default:
      in.fail("an item of unknown kind");
  }
}

}  // namespace

std::string encode(const Recipe& message) {
  PayloadWriter out;
  out.varint(message.batch).varint(message.items.size());
  for (const RecipeItem& item : message.items) {
    out.u8(kItemBytes[item.index()]);
    std::visit(ItemWriter{out}, item);
  }
  return out.take();
}

Recipe decode_recipe(std::string_view payload) {
  PayloadReader in(payload, "Recipe");
  Recipe message;
  message.batch = in.varint();
  const auto count = static_cast<std::size_t>(in.varint_to(kMaxBatchItems));
  if (count == 0) in.fail("no items");
  if (count * 2 > in.left()) in.fail("ends too early");  // an item is at least two bytes
  message.items.reserve(count);
  for (std::size_t i = 0; i < count; ++i) message.items.push_back(read_item(in));
  in.expect_end();
  return message;
}

std::string encode(const Group& message) {
  PayloadWriter out;
  out.varint(message.batch);
  write_group(out, message.group);
  return out.take();
}

Group decode_group(std::string_view payload) {
  PayloadReader in(payload, "Group");
  Group message;
  message.batch = in.varint();
  message.group = read_group(in, kMaxGroupContent);
  if (message.group.content_bytes == 0) in.fail("an empty group");
  return message;
}

std::uint64_t decode_group_number(std::string_view payload) {
  return PayloadReader(payload, "Group").varint();
}

}  // namespace bk::pull
