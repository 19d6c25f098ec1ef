#include "server/store/run_writer.h"

#include "common/error/error.h"
#include "common/io/crash.h"
#include "common/io/file.h"
#include "common/io/temporary.h"
#include "common/text/escape.h"
#include "server/store/bytes.h"
#include "server/store/layout.h"

#include <unistd.h>

#include <algorithm>
#include <bit>
#include <map>
#include <queue>

namespace bk::store {
namespace {

constexpr std::uint64_t kPerFence = 128;  // records between two fences: 64 to 128 on average
constexpr std::size_t kPiece = 1U << 20U;

template <class T>
std::string_view raw(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

std::uint8_t bits_for(std::uint64_t values) {  // to tell so many apart
  return static_cast<std::uint8_t>(values < 2 ? 0 : std::bit_width(values - 1));
}

std::uint64_t filter_blocks_for(std::uint64_t records) {
  return (records * kFilterBitsPerKey + kFilterBlock * 8 - 1) / (kFilterBlock * 8);
}

}  // namespace

void LaterBytes::add(std::string_view bytes) {
  buffer_ += bytes;
  if (buffer_.size() < kPiece) return;
  if (!fd_) fd_ = make_unnamed(folder_);
  write_all(fd_.get(), buffer_);
  buffer_.clear();
}

template <class Sink>
void LaterBytes::take(const Sink& sink) {
  std::string piece(fd_ ? kPiece : 0, '\0');
  for (std::uint64_t at = 0; fd_;) {
    const std::size_t got = pread_up_to(fd_.get(), piece.data(), piece.size(), at);
    if (got == 0) break;
    sink(std::string_view(piece).substr(0, got));
    at += got;
  }
  sink(buffer_);
}

RunWriter::RunWriter(std::string folder, const StoreId& store, RunShape shape, std::uint64_t most,
                     std::vector<Coverage> packs)
    : store_(store),
      shape_(shape),
      filter_blocks_(filter_blocks_for(most)),
      packs_(std::move(packs)),
      fences_(folder),
      filter_(folder),
      block_bytes_(kFilterBlock, '\0') {
  shape_.prefix =
      std::min<std::uint8_t>(kMaxPrefixBits, static_cast<std::uint8_t>(std::bit_width(most / kPerFence)));
  shape_.slot = bits_for(packs_.size());
  record_bytes_ = shape_.record_bytes();
  for (std::optional<Fd> made; !made;) {
    path_ = folder + "/" + pack_name(new_number()).substr(0, 16) + ".run";
    temporary_ = path_ + ".tmp";
    made = try_create_owned(temporary_);
    if (made) fd_ = *std::move(made);
  }
  write_all(fd_.get(), std::string(kRunHeaderBytes, '\0'));
}

RunWriter::~RunWriter() {
  if (!finished_) (void)::unlink(temporary_.c_str());
}

void RunWriter::flush() {
  digest_.update(buffer_);
  write_all(fd_.get(), buffer_);
  buffer_.clear();
}

void RunWriter::write(std::string_view bytes) {
  buffer_ += bytes;
  if (buffer_.size() >= kPiece) flush();
}

// All fences up to and with this one: no further record comes before it.
void RunWriter::close_fences(std::uint64_t upto) {
  const auto first = static_cast<std::uint32_t>(count_);
  for (; fence_ <= upto; ++fence_) fences_.add({reinterpret_cast<const char*>(&first), sizeof first});
}

void RunWriter::close_block(std::uint64_t next) {
  for (; block_ < next; ++block_) {
    filter_.add(block_bytes_);
    std::fill(block_bytes_.begin(), block_bytes_.end(), '\0');
  }
}

void RunWriter::add(const Key& key, const Slot& slot) {
  BK_CHECK(count_ < UINT32_MAX && (count_ == 0 || last_key_ <= key));
  if (count_ > 0 && key == last_key_ && slot == last_slot_) return;
  const Wide value = wide_of(key);
  close_fences(shape_.prefix == 0 ? 0 : static_cast<std::uint64_t>(value >> (128U - shape_.prefix)));
  close_block(filter_block_of(value, filter_blocks_));
  filter_bits(value, [&](unsigned bit) {
    block_bytes_[bit / 8] = static_cast<char>(block_bytes_[bit / 8] | 1 << (bit % 8));
  });
  char record[40] = {};
  // The rest of the key at the top, the location behind it, both as one number.
  Wide top = value << shape_.prefix, low = 0;
  if (shape_.kind != RunKind::Keys) {
    low = slot.slot;
    low = low << shape_.offset | slot.offset;
    low = low << shape_.position | slot.position;
    low = low << 2U | kRunKinds.find(static_cast<char>(slot.kind));
    low <<= record_bytes_ * 8 - shape_.key_bits() - shape_.location_bits();
  }
  for (std::size_t i = 0; i < 16; ++i) record[i] = static_cast<char>(top >> (120 - 8 * i));
  for (std::size_t i = record_bytes_; i-- > 0 && low != 0; low >>= 8U)
    record[i] = static_cast<char>(static_cast<unsigned char>(record[i]) | static_cast<unsigned char>(low));
  write({record, record_bytes_});
  ++count_;
  last_key_ = key;
  last_slot_ = slot;
}

std::string RunWriter::finish() {
  close_fences(shape_.fences() - 1);
  close_block(filter_blocks_);
  const auto sink = [this](std::string_view bytes) { write(bytes); };
  fences_.take(sink);
  filter_.take(sink);
  write(raw(packs_));
  flush();
  ByteWriter header;
  header.raw(kRunMagic).raw({reinterpret_cast<const char*>(store_.data()), store_.size()});
  header.u8(static_cast<std::uint8_t>(shape_.kind)).u8(shape_.prefix).u8(shape_.slot);
  header.u8(shape_.offset).u8(shape_.position).raw(std::string(3, '\0'));
  header.u64(count_).u64(filter_blocks_).u64(packs_.size());
  header.raw(std::string(kRunHeaderBytes - header.size(), '\0'));
  digest_.update(header.bytes());
  write_all(fd_.get(), digest_.finish().view());
  check_sys(::pwrite(fd_.get(), header.bytes().data(), kRunHeaderBytes, 0),
            [&] { return "writing " + quoted(temporary_); });
  sync_file(fd_.get());
  rename_durably(temporary_, path_);
  fd_.close();
  finished_ = true;
  crash_point("store.index-run");
  return path_;
}

namespace {

constexpr std::uint32_t kLeftOut = UINT32_MAX;

struct Input {
  RunCursor cursor;
  std::vector<std::uint32_t> slots;  // its own to those of the merged list
  [[nodiscard]] Slot slot() const {
    Slot out = cursor.slot();
    if (!slots.empty()) out.slot = slots.at(out.slot);
    return out;
  }
  // The next record that is not left out.
  [[nodiscard]] bool next() {
    while (cursor.next()) {
      if (slots.empty() || slots.at(cursor.slot().slot) != kLeftOut) return true;
    }
    return false;
  }
};

// The union of all lists, by number; and where each input's entries stand in it.
std::vector<Coverage> join_packs(const std::vector<const Run*>& runs, std::vector<Input>& inputs,
                                 const std::function<bool(std::uint64_t)>& left_out) {
  std::vector<Coverage> packs;
  std::vector<std::uint64_t> at(runs.size(), 0);
  for (;;) {
    std::uint64_t lowest = 0;
    bool any = false;
    for (std::size_t i = 0; i < runs.size(); ++i) {
      if (at[i] == runs[i]->pack_count()) continue;
      const std::uint64_t pack = runs[i]->coverage(at[i]).pack;
      if (!std::exchange(any, true) || pack < lowest) lowest = pack;
    }
    if (!any) return packs;
    const bool out = left_out(lowest);
    if (!out) packs.push_back({lowest, 0});
    for (std::size_t i = 0; i < runs.size(); ++i) {
      if (at[i] == runs[i]->pack_count() || runs[i]->coverage(at[i]).pack != lowest) continue;
      const std::uint64_t upto = runs[i]->coverage(at[i]++).upto;
      if (!out) packs.back().upto = std::max(packs.back().upto, upto);
      inputs[i].slots.push_back(out ? kLeftOut : static_cast<std::uint32_t>(packs.size() - 1));
    }
  }
}

}  // namespace

std::string merge_runs(const std::vector<const Run*>& runs, const std::string& folder, const StoreId& store,
                       RunKind kind, const std::function<bool(std::uint64_t)>& left_out) {
  std::vector<Input> inputs;
  std::uint64_t most = 0;
  RunShape shape;
  shape.kind = kind;
  for (const Run* run : runs) {
    inputs.push_back({RunCursor(*run), {}});
    most += run->size();
    shape.widen(run->shape());
  }
  std::vector<Coverage> packs = join_packs(runs, inputs, left_out);
  RunWriter writer(folder, store, shape, most, std::move(packs));
  const auto later = [](const Input* a, const Input* b) {
    return std::pair(a->cursor.key(), a->slot()) > std::pair(b->cursor.key(), b->slot());
  };
  std::priority_queue<Input*, std::vector<Input*>, decltype(later)> queue(later);
  for (Input& input : inputs) {
    if (input.next()) queue.push(&input);
  }
  while (!queue.empty()) {
    Input* const first = queue.top();
    queue.pop();
    writer.add(first->cursor.key(), first->slot());
    if (first->next()) queue.push(first);
  }
  return writer.finish();
}

}  // namespace bk::store
