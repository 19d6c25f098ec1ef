#include "server/bkdb/good_chunks.h"

#include <array>
#include <string>

namespace bk::bkdb {
namespace {

constexpr std::size_t kMemory = 32U << 20U;
constexpr std::size_t kMarkBytes = 8, kRecordBytes = 12;

// Sorts by mark.
std::array<char, kRecordBytes> record_of(const store::ChunkMark& mark) {
  std::array<char, kRecordBytes> out{};
  for (std::size_t i = 0; i < 8; ++i) out[i] = static_cast<char>(mark.mark >> (56 - 8 * i));
  for (std::size_t i = 0; i < 4; ++i) out[8 + i] = static_cast<char>(mark.bytes >> (24 - 8 * i));
  return out;
}

store::ChunkMark mark_in(std::string_view record) {
  store::ChunkMark out;
  for (std::size_t i = 0; i < 8; ++i) out.mark = out.mark << 8U | static_cast<unsigned char>(record[i]);
  for (std::size_t i = 8; i < 12; ++i) out.bytes = out.bytes << 8U | static_cast<unsigned char>(record[i]);
  return out;
}

}  // namespace

GoodChunks::GoodChunks(store::Store& store)
    : sorter_(std::make_shared<SpillFile>(store.scratch()), kMemory) {}

void GoodChunks::add(std::span<const store::ChunkMark> marks) {
  for (const store::ChunkMark& mark : marks) {
    const auto record = record_of(mark);
    sorter_.add({record.data(), record.size()});
  }
}

void GoodChunks::without(GoodChunks& others, const std::function<void(const store::ChunkMark&, bool)>& sink) {
  SortedRecords mine = sorter_.finish(), theirs = others.sorter_.finish();
  std::string last;
  while (const std::optional<std::string_view> record = mine.next()) {
    if (*record == last) continue;
    last = *record;
    std::optional<std::string_view> other = theirs.peek();
    for (; other && *other < last; other = theirs.peek()) (void)theirs.next();
    const store::ChunkMark mark = mark_in(last);
    const std::size_t compared = mark.bytes == 0 ? kMarkBytes : kRecordBytes;
    const bool found = other && other->substr(0, compared) == std::string_view(last).substr(0, compared);
    sink(found ? mark_in(*other) : mark, found);
  }
}

}  // namespace bk::bkdb
