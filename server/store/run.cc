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

template <class T>
T load(std::string_view bytes, std::uint64_t at) {
  T value;
  std::memcpy(&value, bytes.data() + at, sizeof value);
  static_assert(std::endian::native == std::endian::little);
  return value;
}

std::uint64_t prefix_of(std::string_view record, unsigned bits) {
  std::uint64_t value = 0;
  for (int i = 0; i < 8; ++i)
    value = value << 8U | static_cast<unsigned char>(record[static_cast<std::size_t>(i)]);
  return bits == 0 ? 0 : value >> (64 - bits);
}

std::string_view bytes_of(const Key& key) {
  return {reinterpret_cast<const char*>(key.bytes.data()), key.bytes.size()};
}

template <class T>
std::string_view raw(const std::vector<T>& numbers) {
  return {reinterpret_cast<const char*>(numbers.data()), numbers.size() * sizeof(T)};
}

}  // namespace

Run::Run(const std::string& path, const StoreId& store, std::uint32_t record_bytes)
    : path_(path), file_(path), record_bytes_(record_bytes) {
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
  return Sha256::of(all.substr(0, all.size() - 32)).view() == all.substr(all.size() - 32);
}

std::pair<std::uint64_t, std::uint64_t> Run::find(const Key& key) const {
  const std::string_view wanted = bytes_of(key);
  const std::uint64_t prefix = prefix_of(wanted, prefix_bits_);
  std::uint64_t low = std::min<std::uint64_t>(load<std::uint32_t>(fences_, prefix * 4), count_);
  const std::uint64_t end = std::min<std::uint64_t>(load<std::uint32_t>(fences_, prefix * 4 + 4), count_);
  std::uint64_t high = end;
  while (low < high) {
    const std::uint64_t middle = low + (high - low) / 2;
    if (record(middle).substr(0, wanted.size()) < wanted)
      low = middle + 1;
    else
      high = middle;
  }
  while (high < end && record(high).substr(0, wanted.size()) == wanted) ++high;
  return {low, high};
}

Coverage Run::coverage(std::uint64_t slot) const {
  if (slot >= pack_count()) throw Error(Kind::Corrupt, quoted(path_) + " names a pack that it does not list");
  return {load<std::uint64_t>(packs_, slot * 16), load<std::uint64_t>(packs_, slot * 16 + 8)};
}

Location Run::location(std::uint64_t i) const {
  const std::string_view r = record(i);
  return {coverage(load<std::uint32_t>(r, 16)).pack, load<std::uint32_t>(r, 20), load<std::uint16_t>(r, 24),
          static_cast<ObjectKind>(r[26])};
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
  ++fences_[prefix_of(record, prefix_bits_) + 1];  // counts first, sums in finish()
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
  {
    const MappedFile written(temporary_);
    const Digest digest = Sha256::of(written.bytes());
    write_all(fd_.get(), digest.view());
  }
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
      const auto slot = load<std::uint32_t>(record, 16);
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
