#include "common/delta/search.h"

#include "common/delta/delta.h"

#include <algorithm>
#include <array>
#include <bit>
#include <optional>
#include <vector>

namespace bk {

namespace {

constexpr std::uint32_t kMagic = 0x72730236U;
constexpr unsigned char kEnd = 0, kLiteral = 0x41, kCopy = 0x45;
constexpr std::size_t kLongestRun = 64;  // blocks compared at once

std::uint32_t big_endian(const char* at) {
  std::uint32_t out = 0;
  for (int i = 0; i < 4; ++i) out = out << 8U | static_cast<unsigned char>(at[i]);
  return out;
}

// The commands of a delta; neighbouring copies become one.
class Commands {
 public:
  Commands() { number(kMagic, 2); }
  void literal(std::string_view bytes) {
    if (bytes.empty()) return;
    end_copy();
    const unsigned width = width_of(bytes.size());
    out_.push_back(static_cast<char>(kLiteral + width));
    number(bytes.size(), width);
    out_ += bytes;
  }
  void copy(std::uint64_t from, std::uint64_t bytes) {
    if (copied_ > 0 && from_ + copied_ == from) {
      copied_ += bytes;
      return;
    }
    end_copy();
    from_ = from;
    copied_ = bytes;
  }
  std::string finish() {
    end_copy();
    out_.push_back(static_cast<char>(kEnd));
    return std::move(out_);
  }

 private:
  // 1, 2, 4 or 8 bytes, as 0 to 3.
  static unsigned width_of(std::uint64_t value) {
    return value < 0x100U ? 0 : value < 0x10000U ? 1 : value <= 0xffffffffU ? 2 : 3;
  }
  void number(std::uint64_t value, unsigned width) {
    for (unsigned i = 1U << width; i-- > 0;) out_.push_back(static_cast<char>(value >> (8 * i)));
  }
  void end_copy() {
    if (copied_ == 0) return;
    const unsigned from = width_of(from_), count = width_of(copied_);
    out_.push_back(static_cast<char>(kCopy + 4 * from + count));
    number(from_, from);
    number(copied_, count);
    copied_ = 0;
  }
  std::string out_;
  std::uint64_t from_ = 0, copied_ = 0;
};

// Which block has a rolling sum.
class Table {
 public:
  explicit Table(std::string_view sums) {
    const std::size_t count = sums.size() / kBlockSumBytes;
    bits_ = static_cast<unsigned>(std::bit_width(count * 2 + 15));
    slots_.assign(std::size_t{1} << bits_, 0);
    seen_.assign(std::size_t{1} << (bits_ - 3), 0);
    for (std::size_t i = 0; i < count; ++i) {
      rolling_.push_back(big_endian(sums.data() + i * kBlockSumBytes));
      insert(static_cast<std::uint32_t>(i));
    }
  }
  [[nodiscard]] std::size_t size() const { return rolling_.size(); }
  [[nodiscard]] std::uint32_t rolling(std::size_t block) const { return rolling_[block]; }
  [[nodiscard]] std::optional<std::size_t> find(std::uint32_t sum) const {
    const std::uint64_t hash = mixed(sum);
    const std::size_t bit = hash >> (64 - bits_ - 3);
    if ((seen_[bit >> 6U] >> (bit & 63U) & 1U) == 0) return std::nullopt;
    for (std::size_t at = hash >> (64 - bits_); slots_[at] != 0; at = (at + 1) & (slots_.size() - 1))
      if (rolling_[slots_[at] - 1] == sum) return slots_[at] - 1;
    return std::nullopt;
  }

 private:
  static std::uint64_t mixed(std::uint32_t sum) { return (sum + 1) * 0x9e3779b97f4a7c15U; }
  // Of equal ones the first.
  void insert(std::uint32_t block) {
    if (find(rolling_[block])) return;
    const std::uint64_t hash = mixed(rolling_[block]);
    const std::size_t bit = hash >> (64 - bits_ - 3);
    seen_[bit >> 6U] |= std::uint64_t{1} << (bit & 63U);
    std::size_t at = hash >> (64 - bits_);
    while (slots_[at] != 0) at = (at + 1) & (slots_.size() - 1);
    slots_[at] = block + 1;
  }
  unsigned bits_ = 0;
  std::vector<std::uint32_t> rolling_;
  std::vector<std::uint32_t> slots_;  // block + 1; at most half of them
  std::vector<std::uint64_t> seen_;   // eight bits for a slot: most positions end here
};

class Search {
 public:
  Search(std::string_view sums, std::uint32_t block, std::string_view content)
      : sums_(sums), block_(block), content_(content), table_(sums), sum_(block) {}

  std::string run() {
    if (table_.size() > 0) {
      look_for_blocks();
      look_for_end();
    }
    commands_.literal(content_.substr(literal_));
    return commands_.finish();
  }

 private:
  [[nodiscard]] const unsigned char* at(std::size_t position) const {
    return reinterpret_cast<const unsigned char*>(content_.data()) + position;
  }
  [[nodiscard]] bool has_block(std::size_t position) const { return position + block_ <= content_.size(); }

  void look_for_blocks() {
    std::size_t position = 0, expected = 0;
    while (has_block(position)) {
      std::uint32_t sum = sum_.of(at(position));
      for (;;) {
        const bool next = expected < table_.size() && table_.rolling(expected) == sum;
        const std::optional<std::size_t> found = next ? expected : table_.find(sum);
        const std::size_t same = found ? same_blocks(position, *found) : 0;
        if (same > 0) {
          take(position, *found * block_, same * block_);
          position += same * block_;
          expected = *found + same;
          break;
        }
        if (!has_block(position + 1)) return;
        sum = sum_.roll(sum, *at(position), *at(position + block_));
        ++position;
      }
    }
  }

  // How many blocks there are those from `first` on, by both sums.  The first one alone before the others:
  // sums that lie shall not cost more than one block at each position.
  [[nodiscard]] std::size_t same_blocks(std::size_t position, std::size_t first) const {
    if (equal(position, first, 1) == 0) return 0;
    std::size_t count = 1;
    while (count < kLongestRun && first + count < table_.size() && has_block(position + count * block_) &&
           sum_.of(at(position + count * block_)) == table_.rolling(first + count))
      ++count;
    return count == 1 ? 1 : 1 + equal(position + block_, first + 1, count - 1);
  }
  [[nodiscard]] std::size_t equal(std::size_t position, std::size_t first, std::size_t count) const {
    const std::string found = block_sums(content_.substr(position, count * block_), block_);
    std::size_t same = 0;
    while (same < count && found.compare(same * kBlockSumBytes, kBlockSumBytes, sums_,
                                         (first + same) * kBlockSumBytes, kBlockSumBytes) == 0)
      ++same;
    return same;
  }

  // The old content's last block may be shorter: then only the end of the new one can be it.
  void look_for_end() {
    const std::size_t last = table_.size() - 1;
    std::vector<std::size_t> alike;  // by the rolling sum, shortest first
    RollingSum::Growing sum;
    while (sum.bytes() < block_ - 1 && sum.bytes() < content_.size() - literal_) {
      sum.prepend(*at(content_.size() - sum.bytes() - 1));
      if (sum.value() == table_.rolling(last)) alike.push_back(sum.bytes());
    }
    for (; !alike.empty(); alike.pop_back()) {
      const std::size_t position = content_.size() - alike.back();
      if (equal(position, last, 1) > 0) return take(position, last * block_, alike.back());
    }
  }

  void take(std::size_t position, std::uint64_t from, std::uint64_t bytes) {
    commands_.literal(content_.substr(literal_, position - literal_));
    commands_.copy(from, bytes);
    literal_ = position + bytes;
  }

  std::string_view sums_;
  std::uint32_t block_;
  std::string_view content_;
  Table table_;
  RollingSum sum_;
  Commands commands_;
  std::size_t literal_ = 0;  // where what was not found begins
};

}  // namespace

RollingSum::RollingSum(std::size_t window) : window_(window), top_(1) {
  for (std::size_t i = 0; i < window; ++i) top_ *= kFactor;
}

// Four bytes a step: the products do not wait for each other.
std::uint32_t RollingSum::of(const unsigned char* bytes, std::size_t count) {
  constexpr std::uint32_t kSquare = kFactor * kFactor, kCube = kSquare * kFactor;
  std::uint32_t sum = 1;
  for (; count >= 4; count -= 4, bytes += 4)
    sum = sum * (kCube * kFactor) + (bytes[0] * kCube + bytes[1] * kSquare + bytes[2] * kFactor + bytes[3]);
  for (; count > 0; --count) sum = sum * kFactor + *bytes++;
  return sum;
}

std::string search_delta(std::string_view sums, std::uint32_t block, std::string_view content) {
  return Search(sums, block, content).run();
}

}  // namespace bk
