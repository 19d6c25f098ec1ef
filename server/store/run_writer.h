// Writing a run (run.h), record by record.
#pragma once

#include "common/digest/sha256.h"
#include "server/store/run.h"

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace bk::store {

// Bytes that come in order and are needed later: a little in memory, more in an unnamed file.
class LaterBytes {
 public:
  explicit LaterBytes(std::string folder) : folder_(std::move(folder)) {}
  void add(std::string_view bytes);
  // Calls sink with everything, in pieces.
  template <class Sink>
  void take(const Sink& sink);

 private:
  std::string folder_, buffer_;
  Fd fd_;
};

// Constant memory beside the list of packs, however many records.
class RunWriter {
 public:
  // `most` records will come at most.  `shape` says what they need; its prefix and slot are chosen here.
  // `packs` are sorted by number.
  RunWriter(std::string folder, const StoreId& store, RunShape shape, std::uint64_t most,
            std::vector<Coverage> packs);
  ~RunWriter();
  RunWriter(const RunWriter&) = delete;
  RunWriter& operator=(const RunWriter&) = delete;
  // Records come sorted by key; one that equals its predecessor is dropped.
  void add(const Key& key, const Slot& slot = {});
  // Durable under its final name on return: that is the answer.
  [[nodiscard]] std::string finish();

 private:
  void write(std::string_view bytes);
  void flush();
  void close_fences(std::uint64_t upto);
  void close_block(std::uint64_t next);
  std::string path_, temporary_;
  Fd fd_;
  StoreId store_;
  RunShape shape_;
  std::uint32_t record_bytes_;
  std::uint64_t count_ = 0, filter_blocks_;
  std::vector<Coverage> packs_;
  LaterBytes fences_, filter_;
  std::uint64_t fence_ = 0;  // the next one to be written
  std::uint64_t block_ = 0;  // of the filter, in the making
  std::string block_bytes_;
  Sha256 digest_;
  std::string buffer_;
  Key last_key_;
  Slot last_slot_;
  bool finished_ = false;
};

// Merges runs of one kind into a new one and returns its path; what they say of packs that `left_out` names
// is left out.  Memory: a window per input, and 20 bytes for each pack that they cover.
[[nodiscard]] std::string merge_runs(const std::vector<const Run*>& inputs, const std::string& folder,
                                     const StoreId& store, RunKind kind,
                                     const std::function<bool(std::uint64_t pack)>& left_out);

}  // namespace bk::store
