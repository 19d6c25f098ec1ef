#include "server/store/run.h"

#include "common/error/error.h"
#include "common/io/crash.h"
#include "common/io/file.h"
#include "common/io/temporary.h"
#include "common/text/escape.h"
#include "server/store/bytes.h"
#include "server/store/layout.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <map>
#include <queue>

namespace bk::store {
namespace {

constexpr std::string_view kMagic = "BKRUN001";
constexpr std::size_t kHeaderBytes = 64;
constexpr std::uint64_t kPerFence = 64;  // records between two fences, on average
constexpr unsigned kMaxPrefixBits = 28;
constexpr std::uint64_t kWindowRecords = 8192;   // read at once when records are read in order
constexpr std::uint64_t kLongestStretch = 4096;  // between two fences; more is a strange run

template <class T>
T fetch(std::string_view bytes, std::uint64_t at) {
  T value;
  std::memcpy(&value, bytes.data() + at, sizeof value);
  static_assert(std::endian::native == std::endian::little);
  return value;
}

// The first eight bytes as a number that sorts as they do.
std::uint64_t head_of(const char* record) {
  std::uint64_t value = 0;
  std::memcpy(&value, record, sizeof value);
  return __builtin_bswap64(value);
}

std::uint64_t prefix_of(std::uint64_t head, unsigned bits) { return bits == 0 ? 0 : head >> (64 - bits); }

// The integer part of fraction / 2^64 * count.
std::uint64_t scale(std::uint64_t fraction, std::uint64_t count) {
  __extension__ using Wide = unsigned __int128;
  return static_cast<std::uint64_t>(static_cast<Wide>(fraction) * count >> 64U);
}

std::string_view bytes_of(const Key& key) {
  return {reinterpret_cast<const char*>(key.bytes.data()), key.bytes.size()};
}

Digest digest_of_file(int fd, std::uint64_t bytes) {
  Sha256 hash;
  std::string piece(1U << 20U, '\0');
  for (std::uint64_t at = 0; at < bytes;) {
    const std::size_t got =
        pread_up_to(fd, piece.data(), std::min<std::uint64_t>(piece.size(), bytes - at), at);
    if (got == 0) break;  // shorter than it was: another digest
    hash.update(std::string_view(piece).substr(0, got));
    at += got;
  }
  return hash.finish();
}

template <class T>
std::string_view raw(const std::vector<T>& numbers) {
  return {reinterpret_cast<const char*>(numbers.data()), numbers.size() * sizeof(T)};
}

}  // namespace

Run::Run(const std::string& path, const StoreId& store, std::uint32_t record_bytes)
    : path_(path), fd_(open_file(path, O_RDONLY)), file_(fd_.get(), path), record_bytes_(record_bytes) {
  try {
    const std::string_view all = file_.bytes();
    ByteReader in(all);
    if (in.raw(8) != kMagic) ByteReader::fail("not an index run");
    if (std::memcmp(in.raw(16).data(), store.data(), 16) != 0) ByteReader::fail("the run of another store");
    if (in.u32() != record_bytes) ByteReader::fail("records of another size");
    prefix_bits_ = in.u32();
    count_ = in.u64();
    const std::uint64_t packs = in.u64();
    if (prefix_bits_ > kMaxPrefixBits || count_ > UINT32_MAX || packs > UINT32_MAX)
      ByteReader::fail("impossible counts");
    const std::uint64_t fences = ((std::uint64_t{1} << prefix_bits_) + 1) * 4;
    if (all.size() != kHeaderBytes + count_ * record_bytes + fences + packs * 16 + 32)
      ByteReader::fail("the file has another length than it states");
    records_ = all.substr(kHeaderBytes, count_ * record_bytes);
    fences_ = all.substr(kHeaderBytes + records_.size(), fences);
    packs_ = all.substr(kHeaderBytes + records_.size() + fences, packs * 16);
  } catch (Error& error) {
    error.add_context("opening " + quoted(path));
    throw;
  }
}

bool Run::intact() const {
  const std::string_view all = file_.bytes();
  return digest_of_file(fd_.get(), all.size() - 32).view() == all.substr(all.size() - 32);
}

void Run::use_mapping(bool use) {
  if (use_mapping_ && !use) file_.drop_pages();
  use_mapping_ = use;
}

void Run::load(std::uint64_t first, std::uint64_t count) const {
  window_count_ = 0;
  window_.resize(static_cast<std::size_t>(count * record_bytes_));
  if (pread_up_to(fd_.get(), window_.data(), window_.size(), kHeaderBytes + first * record_bytes_) !=
      window_.size())
    throw Error(Kind::Corrupt, quoted(path_) + " became shorter");
  window_first_ = first;
  window_count_ = count;
}

std::string_view Run::record(std::uint64_t i) const {
  if (use_mapping_) return records_.substr(i * record_bytes_, record_bytes_);
  if (i - window_first_ >= window_count_) load(i, std::min(kWindowRecords, count_ - i));
  return std::string_view(window_).substr((i - window_first_) * record_bytes_, record_bytes_);
}

const char* Run::stretch(std::uint64_t first, std::uint64_t count) const {
  if (use_mapping_ || count > kLongestStretch) return records_.data() + first * record_bytes_;
  if (first < window_first_ || first + count > window_first_ + window_count_) load(first, count);
  return window_.data() + (first - window_first_) * record_bytes_;
}

std::pair<std::uint64_t, std::uint64_t> Run::find(const Key& key) const {
  const char* const wanted = reinterpret_cast<const char*>(key.bytes.data());
  const std::uint64_t head = head_of(wanted);
  const std::uint64_t prefix = prefix_of(head, prefix_bits_);
  const std::uint64_t first = std::min<std::uint64_t>(fetch<std::uint32_t>(fences_, prefix * 4), count_);
  const std::uint64_t end = std::min<std::uint64_t>(fetch<std::uint32_t>(fences_, prefix * 4 + 4), count_);
  if (first >= end) return {first, first};
  const char* const base = stretch(first, end - first);
  const auto at = [&](std::uint64_t i) { return base + (i - first) * record_bytes_; };
  std::uint64_t low = first + scale(head << prefix_bits_, end - first);
  while (low > first && head_of(at(low - 1)) >= head) --low;
  while (low < end && head_of(at(low)) < head) ++low;
  while (low < end && std::memcmp(at(low), wanted, sizeof key.bytes) < 0) ++low;
  std::uint64_t high = low;
  while (high < end && std::memcmp(at(high), wanted, sizeof key.bytes) == 0) ++high;
  return {low, high};
}

Coverage Run::coverage(std::uint64_t slot) const {
  if (slot >= pack_count()) throw Error(Kind::Corrupt, quoted(path_) + " names a pack that it does not list");
  return {fetch<std::uint64_t>(packs_, slot * 16), fetch<std::uint64_t>(packs_, slot * 16 + 8)};
}

Location Run::location(std::uint64_t i) const {
  const std::string_view r = record(i);
  return {coverage(fetch<std::uint32_t>(r, 16)).pack, fetch<std::uint32_t>(r, 20),
          fetch<std::uint16_t>(r, 24), static_cast<ObjectKind>(r[26])};
}

RunWriter::RunWriter(const std::string& folder, const StoreId& store, std::uint32_t record_bytes,
                     std::uint64_t most, std::vector<Coverage> packs)
    : store_(store),
      record_bytes_(record_bytes),
      prefix_bits_(std::min(kMaxPrefixBits, static_cast<unsigned>(std::bit_width(most / kPerFence)))),
      packs_(std::move(packs)) {
  fences_.assign((std::size_t{1} << prefix_bits_) + 1, 0);
  for (std::optional<Fd> made; !made;) {
    path_ = folder + "/" + pack_name(new_number()).substr(0, 16) + ".run";
    temporary_ = path_ + ".tmp";
    made = try_create_owned(temporary_);
    if (made) fd_ = *std::move(made);
  }
  write_all(fd_.get(), std::string(kHeaderBytes, '\0'));
}

RunWriter::~RunWriter() {
  if (!finished_) (void)::unlink(temporary_.c_str());
}

void RunWriter::flush() {
  write_all(fd_.get(), buffer_);
  buffer_.clear();
}

void RunWriter::add(std::string_view record) {
  BK_CHECK(record.size() == record_bytes_ && count_ < UINT32_MAX);
  // Only the keys are in order: a merge gives equal keys' packs other slots.
  BK_CHECK(std::string_view(last_).substr(0, kKeyOnlyBytes) <= record.substr(0, kKeyOnlyBytes));
  if (record == last_) return;
  ++fences_[prefix_of(head_of(record.data()), prefix_bits_) + 1];  // counts first, sums in finish()
  ++count_;
  last_ = record;
  buffer_ += record;
  if (buffer_.size() >= (1U << 20U)) flush();
}

std::string RunWriter::finish() {
  flush();
  for (std::size_t i = 1; i < fences_.size(); ++i) fences_[i] += fences_[i - 1];
  write_all(fd_.get(), raw(fences_));
  write_all(fd_.get(), raw(packs_));
  ByteWriter header;
  header.raw(kMagic).raw({reinterpret_cast<const char*>(store_.data()), store_.size()});
  header.u32(record_bytes_).u32(prefix_bits_).u64(count_).u64(packs_.size());
  header.raw(std::string(kHeaderBytes - header.size(), '\0'));
  check_sys(::pwrite(fd_.get(), header.bytes().data(), kHeaderBytes, 0),
            [&] { return "writing " + quoted(temporary_); });
  write_all(fd_.get(), digest_of_file(fd_.get(), kHeaderBytes + count_ * record_bytes_ + raw(fences_).size() +
                                                     raw(packs_).size())
                           .view());
  sync_file(fd_.get());
  rename_durably(temporary_, path_);
  fd_.close();
  finished_ = true;
  crash_point("store.index-run");
  return path_;
}

std::string write_located(const IndexEntry& entry, std::uint32_t slot) {
  ByteWriter out;
  out.raw(bytes_of(entry.key)).u32(slot).u32(entry.where.offset).u16(entry.where.position);
  return out.u8(static_cast<unsigned char>(entry.where.kind)).u8(0).take();
}

namespace {

// One input of a merge: the next record, with its pack slot moved into the merged list of packs.
struct Cursor {
  const Run* run;
  std::vector<std::uint32_t> slots;
  std::uint64_t at = 0;
  std::string record;

  [[nodiscard]] bool load_next() {
    if (at == run->size()) return false;
    record = run->record(at++);
    if (record.size() > kKeyOnlyBytes) {
      const auto slot = fetch<std::uint32_t>(record, 16);
      (void)run->coverage(slot);  // in range
      std::memcpy(record.data() + 16, &slots[slot], 4);
    }
    return true;
  }
};

std::vector<Coverage> join_packs(std::vector<Cursor>& cursors) {
  std::vector<Coverage> packs;
  std::map<std::uint64_t, std::uint32_t> slot_of;
  for (Cursor& cursor : cursors) {
    for (std::uint64_t i = 0; i < cursor.run->pack_count(); ++i) {
      const Coverage part = cursor.run->coverage(i);
      const auto [it, fresh] = slot_of.emplace(part.pack, packs.size());
      if (fresh) packs.push_back(part);
      packs[it->second].upto = std::max(packs[it->second].upto, part.upto);
      cursor.slots.push_back(it->second);
    }
  }
  return packs;
}

}  // namespace

std::string merge_runs(const std::vector<const Run*>& inputs, const std::string& folder, const StoreId& store,
                       std::uint32_t record_bytes) {
  std::vector<Cursor> cursors;
  std::uint64_t most = 0;
  for (const Run* run : inputs) {
    cursors.push_back({run, {}, 0, {}});
    most += run->size();
  }
  RunWriter writer(folder, store, record_bytes, most, join_packs(cursors));
  const auto later = [](const Cursor* a, const Cursor* b) { return a->record > b->record; };
  std::priority_queue<Cursor*, std::vector<Cursor*>, decltype(later)> queue(later);
  for (Cursor& cursor : cursors) {
    if (cursor.load_next()) queue.push(&cursor);
  }
  while (!queue.empty()) {
    Cursor* const first = queue.top();
    queue.pop();
    writer.add(first->record);
    if (first->load_next()) queue.push(first);
  }
  return writer.finish();
}

}  // namespace bk::store
