#include "server/store/run.h"

#include "common/error/error.h"
#include "common/io/file.h"
#include "common/text/escape.h"
#include "server/store/bad_sectors.h"
#include "server/store/bytes.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <bit>
#include <cstring>

namespace bk::store {
namespace {

constexpr std::uint64_t kWindowRecords = 8192;   // read at once when records are read in order
constexpr std::uint64_t kLongestStretch = 4096;  // between two fences; more is a strange run

static_assert(std::endian::native == std::endian::little);  // fences and packs are read as they lie

std::uint64_t big_endian(const char* bytes) {
  std::uint64_t value = 0;
  std::memcpy(&value, bytes, sizeof value);
  return __builtin_bswap64(value);
}

// The integer part of fraction / 2^64 * count.
std::uint64_t scale(std::uint64_t fraction, std::uint64_t count) {
  return static_cast<std::uint64_t>(static_cast<Wide>(fraction) * count >> 64U);
}

std::uint64_t prefix_of(Wide key, unsigned bits) {
  return bits == 0 ? 0 : static_cast<std::uint64_t>(key >> (128U - bits));
}

Wide without_prefix(Wide key, unsigned bits) { return key << bits >> bits; }

}  // namespace

Wide wide_of(const Key& key) {
  const char* const bytes = reinterpret_cast<const char*>(key.bytes.data());
  return static_cast<Wide>(big_endian(bytes)) << 64U | big_endian(bytes + 8);
}

Key key_of(Wide value) {
  Key key;
  for (std::size_t i = 16; i-- > 0; value >>= 8U) key.bytes[i] = static_cast<std::uint8_t>(value);
  return key;
}

std::uint64_t filter_block_of(Wide key, std::uint64_t blocks) {
  return scale(static_cast<std::uint64_t>(key >> 64U), blocks);
}

void RunShape::widen(const RunShape& other) {
  offset = std::max(offset, other.offset);
  position = std::max(position, other.position);
}

void RunShape::widen(const Slot& place) {
  offset = std::max(offset, static_cast<std::uint8_t>(std::bit_width(place.offset)));
  position = std::max(position, static_cast<std::uint8_t>(std::bit_width(place.position)));
}

Run::Run(const std::string& path, const StoreId& store, RunKind kind, RunGivenUp given_up)
    : path_(path), given_up_(std::move(given_up)) {
  try {
    fd_ = open_file(path, O_RDONLY);
    struct stat info {};
    check_sys(::fstat(fd_.get(), &info), [] { return "looking at it"; });
    bytes_ = static_cast<std::uint64_t>(info.st_size);
    std::string header(kRunHeaderBytes, '\0');
    header.resize(pread_up_to(fd_.get(), header.data(), header.size(), 0));
    ByteReader in(header);
    if (in.raw(8) != kRunMagic) ByteReader::fail("not an index run");
    if (std::memcmp(in.raw(16).data(), store.data(), 16) != 0) ByteReader::fail("the run of another store");
    if (in.u8() != static_cast<std::uint8_t>(kind)) ByteReader::fail("records of another kind");
    shape_ = {kind, in.u8(), in.u8(), in.u8(), in.u8()};
    (void)in.raw(3);
    count_ = in.u64();
    filter_blocks_ = in.u64();
    packs_ = in.u64();
    const bool possible =
        shape_.prefix <= kMaxPrefixBits && shape_.slot <= 32 && shape_.offset <= 32 && shape_.position <= 16;
    if (!possible || count_ > UINT32_MAX || packs_ > UINT32_MAX || filter_blocks_ > UINT32_MAX)
      ByteReader::fail("impossible counts");
    record_bytes_ = shape_.record_bytes();
    fences_at_ = kRunHeaderBytes + count_ * record_bytes_;
    filter_at_ = fences_at_ + shape_.fences() * 4;
    packs_at_ = filter_at_ + filter_blocks_ * kFilterBlock;
    if (bytes_ != packs_at_ + packs_ * 16 + 32)
      ByteReader::fail("the file has another length than it states");
  } catch (Error& error) {
    error.add_context("opening " + quoted(path));
    if (is_media_error(error)) throw Error(Kind::Corrupt, error.what());
    throw;
  }
}

bool Run::intact() const {
  const std::uint64_t size = bytes_ - 32;
  Sha256 hash;
  std::string piece(1U << 20U, '\0');
  const auto add = [&](std::uint64_t from, std::uint64_t to) {
    while (from < to) {
      const std::size_t got =
          pread_up_to(fd_.get(), piece.data(), std::min<std::uint64_t>(piece.size(), to - from), from);
      if (got == 0) return;  // shorter than it was: another digest
      hash.update(std::string_view(piece).substr(0, got));
      from += got;
    }
  };
  add(kRunHeaderBytes, size);
  add(0, kRunHeaderBytes);
  return hash.finish().hex() == digest();
}

std::string Run::digest() const {
  std::string digest(32, '\0');
  read(bytes_ - 32, digest.data(), digest.size());
  return hex_encode(digest);
}

std::size_t Run::read_up_to(std::uint64_t offset, void* into, std::size_t bytes) const {
  try {
    return pread_up_to(fd_.get(), into, bytes, offset);
  } catch (const Error& error) {
    if (!is_media_error(error)) throw;
    if (!advice_) advice_ = given_up_ ? given_up_(path_) : "";
    throw UnreadableRun(sys_error(error.sys_errno(), "reading " + quoted(path_) + *advice_));
  }
}

void Run::hold_in_memory(bool hold) {
  in_memory_ = hold;
  if (!hold) whole_ = {};
}

const char* Run::whole() const {
  if (whole_.empty()) {
    std::string bytes(bytes_, '\0');
    if (read_up_to(0, bytes.data(), bytes.size()) != bytes_)
      throw Error(Kind::Corrupt, quoted(path_) + " became shorter");
    whole_ = std::move(bytes);
  }
  return whole_.data();
}

void Run::read(std::uint64_t offset, void* into, std::size_t bytes) const {
  if (in_memory_) {
    std::memcpy(into, whole() + offset, bytes);
  } else if (read_up_to(offset, into, bytes) != bytes) {
    throw Error(Kind::Corrupt, quoted(path_) + " became shorter");
  }
}

void Run::will_read(std::uint64_t offset, std::uint64_t bytes) const {
  if (!in_memory_)
    (void)::posix_fadvise(fd_.get(), static_cast<off_t>(offset), static_cast<off_t>(bytes),
                          POSIX_FADV_WILLNEED);
}

void Run::load(std::uint64_t first, std::uint64_t count) const {
  window_count_ = 0;
  window_.resize(static_cast<std::size_t>(count * record_bytes_));
  read(kRunHeaderBytes + first * record_bytes_, window_.data(), window_.size());
  window_first_ = first;
  window_count_ = count;
}

void Run::let_go(std::uint64_t first, std::uint64_t count) const {
  constexpr std::uint64_t kPage = 4096;
  const std::uint64_t begin = (kRunHeaderBytes + first * record_bytes_) / kPage * kPage;
  const std::uint64_t end = (kRunHeaderBytes + (first + count) * record_bytes_ + kPage - 1) / kPage * kPage;
  (void)::posix_fadvise(fd_.get(), static_cast<off_t>(begin), static_cast<off_t>(end - begin),
                        POSIX_FADV_DONTNEED);
}

const char* Run::stretch(std::uint64_t first, std::uint64_t count) const {
  if (in_memory_) return whole() + kRunHeaderBytes + first * record_bytes_;
  if (first < window_first_ || first + count > window_first_ + window_count_) {
    load(first, count);
    if (!keep_cached_) let_go(first, count);
  }
  return window_.data() + (first - window_first_) * record_bytes_;
}

std::uint64_t Run::fence(std::uint64_t prefix) const {
  std::uint32_t first = 0;
  read(fences_at_ + prefix * 4, &first, sizeof first);
  return std::min<std::uint64_t>(first, count_);
}

// A record is one number, most significant byte first: the rest of the key, then the location.
Wide Run::key_at(const char* record) const {
  char bytes[16] = {};
  std::memcpy(bytes, record, std::min<std::size_t>(record_bytes_, sizeof bytes));
  return (static_cast<Wide>(big_endian(bytes)) << 64U | big_endian(bytes + 8)) >> shape_.prefix;
}

Slot Run::slot_at(const char* record) const {
  if (shape_.kind == RunKind::Keys) return {};
  char bytes[16] = {};
  const std::size_t part = std::min<std::size_t>(record_bytes_, sizeof bytes);
  std::memcpy(bytes + sizeof bytes - part, record + record_bytes_ - part, part);
  Wide low = static_cast<Wide>(big_endian(bytes)) << 64U | big_endian(bytes + 8);
  const auto take = [&](unsigned bits) {
    const auto value = static_cast<std::uint64_t>(low) & ((std::uint64_t{1} << bits) - 1);
    low >>= bits;
    return value;
  };
  Slot out;
  low >>= record_bytes_ * 8 - shape_.key_bits() - shape_.location_bits();
  const std::uint64_t kind = take(2);
  if (kind >= kRunKinds.size()) throw Error(Kind::Corrupt, quoted(path_) + " names an unknown kind of chunk");
  out.kind = static_cast<ObjectKind>(kRunKinds[kind]);
  out.position = static_cast<std::uint16_t>(take(shape_.position));
  out.offset = static_cast<std::uint32_t>(take(shape_.offset));
  out.slot = static_cast<std::uint32_t>(take(shape_.slot));
  return out;
}

// Filter and fences are asked at random.  Once that has cost as much as reading all of them in order would
// have, that is done, too: so the whole never costs more than twice the better way.
void Run::warm_up() const {
  constexpr std::uint64_t kBytesPerRead = 65536;  // a disk reads so many in order in the time of one page
  const std::uint64_t bytes = packs_at_ - fences_at_;
  if (++asked_ == bytes / kBytesPerRead + 1) will_read(fences_at_, bytes);
}

bool Run::filter_passes(Wide key) const {
  if (filter_blocks_ == 0) return count_ > 0;
  unsigned char block[kFilterBlock];
  read(filter_at_ + filter_block_of(key, filter_blocks_) * kFilterBlock, block, sizeof block);
  bool there = true;
  filter_bits(key, [&](unsigned bit) { there = there && (block[bit / 8] >> (bit % 8) & 1U) != 0; });
  return there;
}

Run::Range Run::bucket(const Key& key) const {
  warm_up();
  const Wide value = wide_of(key);
  if (!filter_passes(value)) return {};
  const std::uint64_t prefix = prefix_of(value, shape_.prefix);
  std::uint32_t fences[2];
  read(fences_at_ + prefix * 4, fences, sizeof fences);
  return {std::min<std::uint64_t>(fences[0], count_), std::min<std::uint64_t>(fences[1], count_)};
}

void Run::prefetch(const Range& records) const {
  if (records.first < records.second)
    will_read(kRunHeaderBytes + records.first * record_bytes_,
              (records.second - records.first) * record_bytes_);
}

// Keys are digests, so a bucket is short; in one that somebody made long by choosing his chunks, by halves.
std::uint64_t Run::first_not_before(const Range& range, Wide wanted) const {
  auto [low, high] = range;
  while (low < high) {
    const std::uint64_t middle = low + (high - low) / 2;
    if (key_at(stretch(middle, 1)) < wanted)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

Run::Range Run::find_in(const Range& bucket, const Key& key) const {
  const auto [first, end] = bucket;
  if (first >= end) return {};
  const Wide wanted = without_prefix(wide_of(key), shape_.prefix);
  if (end - first > kLongestStretch) {
    const std::uint64_t low = first_not_before(bucket, wanted);
    std::uint64_t high = low;
    while (high < end && key_at(stretch(high, 1)) == wanted) ++high;
    return {low, high};
  }
  const char* const base = stretch(first, end - first);
  const auto at = [&, begin = first](std::uint64_t i) { return key_at(base + (i - begin) * record_bytes_); };
  // They spread evenly, too: where one stands is guessed from its value.
  std::uint64_t low = first + scale(static_cast<std::uint64_t>(wanted << shape_.prefix >> 64U), end - first);
  while (low > first && at(low - 1) >= wanted) --low;
  while (low < end && at(low) < wanted) ++low;
  std::uint64_t high = low;
  while (high < end && at(high) == wanted) ++high;
  return {low, high};
}

Run::Range Run::find(const Key& key) const { return find_in(bucket(key), key); }

Coverage Run::coverage(std::uint64_t slot) const {
  if (slot >= pack_count()) throw Error(Kind::Corrupt, quoted(path_) + " names a pack that it does not list");
  std::uint64_t numbers[2];
  read(packs_at_ + slot * 16, numbers, sizeof numbers);
  return {numbers[0], numbers[1]};
}

std::uint64_t Run::covered(std::uint64_t pack) const {
  std::uint64_t low = 0, high = pack_count();
  while (low < high) {
    const std::uint64_t middle = (low + high) / 2;
    if (coverage(middle).pack < pack)
      low = middle + 1;
    else
      high = middle;
  }
  return low < pack_count() && coverage(low).pack == pack ? coverage(low).upto : 0;
}

Location Run::location(std::uint64_t i) const {
  const Slot slot = slot_at(stretch(i, 1));
  return {coverage(slot.slot).pack, slot.offset, slot.position, slot.kind};
}

bool RunCursor::next() {
  if (at_ >= run_->count_) return false;
  if (at_ - window_first_ >= window_count_) {
    run_->load(at_, std::min(kWindowRecords, run_->count_ - at_));
    std::swap(window_, run_->window_);  // look-ups meanwhile have their own
    window_first_ = at_;
    window_count_ = std::exchange(run_->window_count_, 0);
  }
  if (at_ == 0) bucket_end_ = run_->fence(1);
  while (bucket_end_ <= at_ && prefix_ + 2 < run_->shape_.fences()) bucket_end_ = run_->fence(++prefix_ + 1);
  const char* const record = window_.data() + (at_ - window_first_) * run_->record_bytes_;
  const unsigned bits = run_->shape_.prefix;
  const Wide high = bits == 0 ? 0 : static_cast<Wide>(prefix_) << (128U - bits);
  key_ = key_of(high | run_->key_at(record));
  slot_ = run_->slot_at(record);
  ++at_;
  return true;
}

Location RunCursor::location() const {
  return {run_->coverage(slot_.slot).pack, slot_.offset, slot_.position, slot_.kind};
}

}  // namespace bk::store
