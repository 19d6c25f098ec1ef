// The chunks that a window needs, given to a sink as the groups in which they lie, in the order of the disk.
#pragma once

#include "common/restore/sink.h"
#include "server/store/store.h"

#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace bk::bkdb {

class GroupFeed {
 public:
  // `far_client`: whose the sink is, when it is far (FeedTask); "" when it is near.
  GroupFeed(store::Store& store, RestoreSink& sink, std::string far_client)
      : store_(store), sink_(sink), far_client_(std::move(far_client)), far_(!far_client_.empty()) {}
  // The bytes of a chunk belong there.
  void want(const ChunkId& id, std::uint32_t bytes, std::uint64_t file, std::uint64_t offset);
  [[nodiscard]] bool full() const {
    return wanted_.size() >= WindowLimits::kPlaces || bytes_ >= WindowLimits::kBytes;
  }
  // Sends everything wanted, each place exactly once, as part of a group or as damaged.
  void send();

 private:
  struct Wanted {
    store::StoredPlace at;
    RestorePlace place;
  };
  // What the sink has need not be read.
  void drop_kept();
  void find_places();
  void send_group(std::span<Wanted> wanted);
  // Whether a group of which `needed` bytes are needed goes as it is.
  [[nodiscard]] bool is_sent_whole(const store::StoredPlace& at, std::uint64_t needed, std::uint32_t all);
  // Chunk by chunk, from wherever the store still has them.
  void send_single(std::span<const Wanted> wanted);
  // Only what is needed of a group, together with others.
  void gather(const store::StoredGroup& group, std::span<const Wanted> wanted);
  void add_gathered(const Wanted& wanted, std::string_view content);
  void send_gathered();

  store::Store& store_;
  RestoreSink& sink_;
  std::string far_client_;
  bool far_;
  std::vector<Wanted> wanted_;
  std::uint64_t bytes_ = 0;
  std::string gathered_;
  std::vector<RestorePlace> gathered_places_;
  GroupEncoder encoder_{
      1};  // sent once and forgotten: level 3 would cost the processor twice as much for a tenth
  GroupDecoder decoder_;
};

}  // namespace bk::bkdb
