// Copies what is still needed of packs into new ones, so that the old ones can go.
//
// Groups that are needed whole are copied as they are, others are put together anew.  A chunk that can be
// read somewhere else, too, is not copied.  Every chunk that is decoded is compared with its identity, every
// payload with its digest: a pack in which something does not fit is left as it is.
#pragma once

#include "server/store/appender.h"

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace bk::store {

// Chunks of one pack that are not needed: offset of the group, position in it.
using Unneeded = std::set<std::pair<std::uint32_t, std::uint16_t>>;

inline constexpr std::uint32_t kTightGroupContent = 4U << 20U;

class Repacker {
 public:
  explicit Repacker(StoreImpl& store) : store_(store), appender_(store) {}
  // All content is put together anew in groups of kTightGroupContent, compressed at this level of zstd.
  // `copied` gets the bytes of a pack that were looked after, again and again.
  Repacker(StoreImpl& store, int level, std::function<void(std::uint64_t)> copied)
      : store_(store),
        appender_(store),
        encoder_(level),
        group_content_(kTightGroupContent),
        copied_(std::move(copied)) {}
  // False when the pack is damaged, cannot be read, or is gone: nothing was copied that counts, and problem()
  // says why.
  [[nodiscard]] bool copy(std::uint64_t number, const Unneeded& unneeded);
  [[nodiscard]] const std::string& problem() const { return problem_; }
  // The same of a damaged pack: its good groups, and it counts as copied unless one of them turns out not to
  // hold what its table says.
  void copy_what_is_good(std::uint64_t number);
  // One chunk behind the one that was put here before, whatever places it has.
  void put_beside(const StoredChunk& chunk, std::string_view content) { collect(chunk, content); }
  // Makes the copies durable; then the packs that were copied can go: they are its answer.
  [[nodiscard]] std::vector<std::uint64_t> finish();
  [[nodiscard]] std::uint64_t waiting_bytes() const {
    return waiting_bytes_;
  }  // copied since the last finish()
  [[nodiscard]] std::uint64_t copied_bytes() const { return copied_bytes_; }

 private:
  struct Batch {
    std::string content;
    std::vector<StoredChunk> chunks;
  };
  void copy_group(ObjectReader& pack, const ScannedRecord& record, const Unneeded& unneeded);
  [[nodiscard]] std::vector<bool> needed(std::uint32_t offset, const std::vector<StoredChunk>& chunks,
                                         const Unneeded& unneeded);
  [[nodiscard]] bool elsewhere(const StoredChunk& chunk);
  [[nodiscard]] bool stands(std::uint64_t number);
  void collect(const StoredChunk& chunk, std::string_view content);
  void flush(Batch& batch);
  void append(const EncodedGroup& group, const std::vector<StoredChunk>& chunks);

  StoreImpl& store_;
  std::string problem_;
  Appender appender_;
  GroupEncoder encoder_;
  std::uint32_t group_content_ = kTargetGroupContent;  // of data; metadata is read here and there
  std::function<void(std::uint64_t)> copied_ = [](std::uint64_t) {};
  GroupDecoder decoder_;
  Batch data_, metadata_;
  std::set<StoredId> collected_;  // in a batch
  std::vector<std::uint64_t> done_;
  std::map<std::uint64_t, bool> stands_;  // as far as it was asked since the last finish()
  std::uint64_t waiting_bytes_ = 0, copied_bytes_ = 0;
};

// First nobody finds anything in these packs any more, then they go with their parity.  Returns their bytes.
std::uint64_t drop_packs(StoreImpl& store, const std::vector<std::uint64_t>& numbers);

}  // namespace bk::store
