#include "server/pull/tree/child_list.h"

#include "server/pull/tree/held.h"
#include "server/store/node.h"

namespace bk::pull {

namespace {

constexpr std::size_t kBlockBytes = 64U << 10U;  // of entries in memory: about 180
constexpr std::size_t kMemoryBytes = 8U << 20U;  // of blocks, of all lists

}  // namespace

void ChildList::add(ChildSpool& spool, Entry entry) {
  newest_bytes_ += weight_of(entry);
  newest_.push_back(std::move(entry));
  if (newest_bytes_ >= kBlockBytes) close_block(spool);
}

void ChildList::close_block(ChildSpool& spool) {
  const std::string bytes = store::encode_page(newest_);
  newest_.clear();
  newest_bytes_ = 0;
  Block& block = blocks_.emplace_back();
  if (spool.memory_bytes + bytes.size() > kMemoryBytes) {
    block.spilled = SpillFile::begin(spool.file);
    SpillFile::append(block.spilled, bytes);
  } else {
    block.bytes = bytes;  // a copy has no room to spare
    spool.memory_bytes += bytes.size();
  }
}

std::string ChildList::take_block(ChildSpool& spool) {
  Block block = std::move(blocks_.front());
  blocks_.pop_front();
  spool.memory_bytes -= block.bytes.size();
  return read_block(block);
}

std::string ChildList::read_block(const Block& block) {
  if (block.spilled.bytes() == 0) return block.bytes;
  std::string bytes(block.spilled.bytes(), '\0');
  (void)block.spilled.read(0, bytes.data(), bytes.size());
  return bytes;
}

ChildList::Reader::Reader(const ChildList& list) : list_(list) {
  part_.assign(list.open_.begin() + static_cast<std::ptrdiff_t>(list.at_), list.open_.end());
}

const Entry* ChildList::Reader::front() {
  while (at_ == part_.size() && next_block_ <= list_.blocks_.size()) {
    part_ = next_block_ < list_.blocks_.size() ? store::decode_page(read_block(list_.blocks_[next_block_]))
                                               : list_.newest_;
    ++next_block_;
    at_ = 0;
  }
  return at_ == part_.size() ? nullptr : &part_[at_];
}

const Entry* ChildList::front(ChildSpool& spool) {
  if (at_ == open_.size()) {
    open_ = blocks_.empty() ? std::exchange(newest_, {}) : store::decode_page(take_block(spool));
    at_ = 0;
  }
  return open_.empty() ? nullptr : &open_[at_];
}

}  // namespace bk::pull
