// The finished subdirectories of a directory that is not stored yet, in name order.
//
// The newest are entries, those before blocks of encoded ones (a quarter of the size), and when the lists of
// a pull together take more than 8 MiB, blocks go to a temporary file.  So a directory of a million
// subdirectories costs no more than one of a few hundred.
#pragma once

#include "common/spill/spill_file.h"
#include "common/tree/entry.h"

#include <cstddef>
#include <deque>
#include <memory>
#include <string>
#include <vector>

namespace bk::pull {

// What the lists of one pull share.
struct ChildSpool {
  explicit ChildSpool(const std::string& directory) : file(std::make_shared<SpillFile>(directory)) {}
  std::shared_ptr<SpillFile> file;
  std::size_t memory_bytes = 0;  // of encoded blocks
};

class ChildList {
 public:
  // Names come in increasing order.  Throws Io when it must spill and cannot.
  void add(ChildSpool& spool, Entry entry);
  // The next one to be taken, or null at the end.  Nothing is added once this was called.
  [[nodiscard]] const Entry* front(ChildSpool& spool);
  void pop() { ++at_; }
  // Reads what is left, and takes nothing.  The list must not change meanwhile.  Memory: one block.
  class Reader {
   public:
    explicit Reader(const ChildList& list);
    [[nodiscard]] const Entry* front();  // null at the end
    void pop() { ++at_; }

   private:
    const ChildList& list_;
    std::vector<Entry> part_;
    std::size_t at_ = 0, next_block_ = 0;
  };
  [[nodiscard]] bool empty() const { return blocks_.empty() && newest_.empty() && at_ == open_.size(); }

 private:
  struct Block {
    std::string bytes;          // either here
    SpillFile::Region spilled;  // or there
  };
  void close_block(ChildSpool& spool);
  [[nodiscard]] std::string take_block(ChildSpool& spool);
  [[nodiscard]] static std::string read_block(const Block& block);

  std::deque<Block> blocks_;
  std::vector<Entry> newest_;
  std::size_t newest_bytes_ = 0;
  std::vector<Entry> open_;  // being taken
  std::size_t at_ = 0;
};

}  // namespace bk::pull
