#include "common/spill/sorter.h"

#include "common/error/error.h"

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>

namespace bk {

namespace {

constexpr std::size_t kMergedRuns = 64;
constexpr std::size_t kReadBuffer = 32U << 10U;
constexpr std::size_t kWriteBuffer = 128U << 10U;
constexpr std::size_t kLengthBytes = 2;

std::uint64_t prefix_of(std::string_view record) {
  std::uint64_t value = 0;
  std::memcpy(&value, record.data(), std::min<std::size_t>(record.size(), 8));
  if constexpr (std::endian::native == std::endian::little) value = __builtin_bswap64(value);
  return value;
}

std::size_t length_at(const char* at) {
  return static_cast<unsigned char>(at[0]) | static_cast<std::size_t>(static_cast<unsigned char>(at[1]))
                                                 << 8U;
}

}  // namespace

// Writes records that come in order as one run.
class RunWriter {
 public:
  explicit RunWriter(const std::shared_ptr<SpillFile>& file) : region_(SpillFile::begin(file)) {}
  void add(std::string_view record) {
    buffer_.push_back(static_cast<char>(record.size() & 0xffU));
    buffer_.push_back(static_cast<char>(record.size() >> 8U));
    buffer_.append(record);
    ++count_;
    if (buffer_.size() >= kWriteBuffer) flush();
  }
  SortedRecords finish() {
    flush();
    SortedRecords out;
    out.count_ = count_;
    out.region_ = std::move(region_);
    return out;
  }

 private:
  void flush() {
    SpillFile::append(region_, buffer_);
    buffer_.clear();
  }
  SpillFile::Region region_;
  std::string buffer_;
  std::uint64_t count_ = 0;
};

// Reading.

std::optional<std::string_view> SortedRecords::peek() {
  if (at_ == count_) return std::nullopt;
  if (in_memory()) return view(items_[at_]);
  if (!fill(kLengthBytes)) throw sys_error(EIO, "reading back a temporary file");
  const std::size_t length = length_at(buffer_.data() + buffer_at_);
  if (!fill(kLengthBytes + length)) throw sys_error(EIO, "reading back a temporary file");
  return std::string_view(buffer_).substr(buffer_at_ + kLengthBytes, length);
}

std::optional<std::string_view> SortedRecords::next() {
  const auto record = peek();
  if (!record) return record;
  ++at_;
  if (!in_memory()) buffer_at_ += kLengthBytes + record->size();
  return record;
}

// Makes `needed` bytes stand in the buffer behind buffer_at_.
bool SortedRecords::fill(std::size_t needed) {
  if (buffer_.size() - buffer_at_ >= needed) return true;
  buffer_.erase(0, buffer_at_);
  buffer_at_ = 0;
  const std::size_t have = buffer_.size();
  buffer_.resize(std::max(kReadBuffer, needed));
  const std::size_t got = region_.read(region_at_, buffer_.data() + have, buffer_.size() - have);
  region_at_ += got;
  buffer_.resize(have + got);
  return buffer_.size() >= needed;
}

void SortedRecords::rewind() {
  at_ = region_at_ = 0;
  buffer_at_ = 0;
  buffer_.clear();
}

void SortedRecords::drop_buffer() {
  region_at_ -= buffer_.size() - buffer_at_;
  buffer_at_ = 0;
  buffer_ = std::string();
}

std::size_t SortedRecords::memory_bytes() const {
  return arena_.capacity() + items_.capacity() * sizeof(Item) + buffer_.capacity();
}

SortedRecords SortedRecords::written_to(const std::shared_ptr<SpillFile>& file) const {
  RunWriter writer(file);
  std::uint64_t read = 0;
  for (std::uint64_t i = 0; i < count_; ++i) {
    if (i < at_) read += kLengthBytes + items_[i].length;
    writer.add(view(items_[i]));
  }
  SortedRecords run = writer.finish();
  run.at_ = at_;
  run.region_at_ = read;
  return run;
}

void SortedRecords::spill(const std::shared_ptr<SpillFile>& file) {
  if (!in_memory() || count_ == 0) return;
  SortedRecords run = written_to(file);
  std::swap(*this, run);  // an assignment would keep the string's memory
}

void SortedRecords::append(std::string_view record) {
  if (items_.empty()) {  // most sets are small
    items_.reserve(32);
    arena_.reserve(1000);
  }
  items_.push_back({prefix_of(record), arena_.size() & 0xffffffffffffULL, record.size() & 0xffffU});
  arena_.append(record);
}

void SortedRecords::clear() {
  arena_.clear();
  items_.clear();
  count_ = at_ = 0;
}

void SortedRecords::sort() {
  std::sort(items_.begin(), items_.end(), [this](const Item& a, const Item& b) {
    return a.prefix != b.prefix ? a.prefix < b.prefix : view(a) < view(b);
  });
  count_ = items_.size();
}

// Sorting.

Sorter::Sorter(std::shared_ptr<SpillFile> file, std::size_t memory_bytes, WhenFull when_full)
    : file_(std::move(file)), memory_bytes_(memory_bytes), when_full_(when_full) {}

void Sorter::add(std::string_view record) {
  BK_CHECK(record.size() <= kMaxSortRecord);
  block_.append(record);
  if (block_.arena_.size() + block_.items_.size() * sizeof(SortedRecords::Item) >= memory_bytes_)
    spill_block();
}

void Sorter::spill_block() {
  if (spill_error_ != 0) return;
  block_.sort();
  try {
    SortedRecords run = block_.written_to(file_);
    block_.clear();
    add_run(std::move(run), 0);
  } catch (const Error& error) {
    note(error);
  }
}

void Sorter::note(const Error& error) {
  if (when_full_ == WhenFull::Throw) throw error;
  spill_error_ = error.sys_errno() != 0 ? error.sys_errno() : EIO;
}

// When a merge throws, all runs are still there.
void Sorter::add_run(SortedRecords run, std::size_t tier) {
  if (tiers_.size() == tier) tiers_.emplace_back();
  tiers_[tier].push_back(std::move(run));
  if (tiers_[tier].size() < kMergedRuns) return;
  SortedRecords merged = merge(tiers_[tier]);
  tiers_[tier].clear();
  add_run(std::move(merged), tier + 1);
}

// One run of all `runs`, which are read to their end.
SortedRecords Sorter::merge(Tier& runs) {
  using Head = std::pair<std::string_view, SortedRecords*>;
  const auto later = [](const Head& a, const Head& b) { return a.first > b.first; };
  std::vector<Head> heap;
  for (SortedRecords& run : runs) {
    run.rewind();
    if (const auto record = run.peek()) heap.emplace_back(*record, &run);
  }
  std::make_heap(heap.begin(), heap.end(), later);
  RunWriter writer(file_);
  while (!heap.empty()) {
    std::pop_heap(heap.begin(), heap.end(), later);
    writer.add(heap.back().first);
    SortedRecords& run = *heap.back().second;
    heap.pop_back();
    (void)run.next();
    if (const auto record = run.peek()) {
      heap.emplace_back(*record, &run);
      std::push_heap(heap.begin(), heap.end(), later);
    }
  }
  return writer.finish();
}

SortedRecords Sorter::finish() {
  if (!tiers_.empty() && !block_.items_.empty()) spill_block();
  Tier runs;
  for (Tier& tier : std::exchange(tiers_, {})) std::move(tier.begin(), tier.end(), std::back_inserter(runs));
  while (spill_error_ == 0 && runs.size() > 1) merge_some(runs);
  if (spill_error_ == 0 && !runs.empty()) return std::move(runs.front());
  for (SortedRecords& run : runs) take_back(run);
  block_.sort();
  return std::exchange(block_, {});
}

void Sorter::merge_some(Tier& runs) {
  Tier first(std::make_move_iterator(runs.begin()),
             std::make_move_iterator(runs.begin() +
                                     static_cast<std::ptrdiff_t>(std::min(runs.size(), kMergedRuns))));
  runs.erase(runs.begin(), runs.begin() + static_cast<std::ptrdiff_t>(first.size()));
  try {
    runs.push_back(merge(first));
  } catch (const Error& error) {
    std::move(first.begin(), first.end(), std::back_inserter(runs));
    note(error);
  }
}

void Sorter::take_back(SortedRecords& run) {
  run.rewind();
  while (const auto record = run.next()) block_.append(*record);
  run = {};
}

}  // namespace bk
