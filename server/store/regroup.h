// Sources whose newest snapshot has become scattered; internal to server/store.
//
// After many versions what the newest one needs stands here and there among what only older ones need, and
// reading it opens and decodes many groups for a little of each.  A group is thin for a snapshot when less
// than a quarter of an ordinary group's content is used of it.  What a scattered snapshot uses of thin groups
// is copied side by side, in the order of its tree; then their packs are rewritten without it.  Only finished
// packs count.
//
// Memory is bounded by constants.  Errors: Io, Corrupt (a node of the tree).
#pragma once

#include "common/spill/sorter.h"
#include "server/store/repack.h"

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace bk::store {

// How a snapshot's data lies in finished packs.
struct Scatter {
  std::uint64_t content = 0;           // bytes, each chunk once
  std::uint64_t groups = 0, thin = 0;  // that hold some of it
  // Packs with thin groups, those with most first; not more than anybody rewrites at once.
  std::vector<std::uint64_t> packs;
  // More than twice as many groups as its content would fill.
  [[nodiscard]] bool much() const;
};

class ScatteredSource {
 public:
  ScatteredSource(StoreImpl& store, const SnapshotRecord& newest) : store_(store), root_(newest.root) {}
  [[nodiscard]] Scatter measure();
  // Gives what stands in thin groups of these packs to the repacker, in the order of the tree.
  void gather(const std::set<std::uint64_t>& packs, Repacker& into);
  [[nodiscard]] std::uint64_t looked_up() const { return looked_up_; }  // chunks

 private:
  using Group = std::pair<std::uint64_t, std::uint32_t>;  // pack, offset
  // The chunks of a stretch of the tree, with the place where each is read; pack 0 when there is none.
  using Sink = std::function<void(std::span<const ChunkId>, std::span<const Location>)>;
  void for_each_stretch(const Sink& sink);
  void look_up(std::vector<ChunkId>& ids, const Sink& sink);
  // Calls sink for every group with the bytes that are used of it, in the order of the packs.
  void for_each_group(const std::function<void(const Group&, std::uint64_t used)>& sink);
  [[nodiscard]] std::uint64_t used_of(const Group& group, const std::set<std::uint16_t>& positions);

  StoreImpl& store_;
  Entry root_;
  std::uint64_t looked_up_ = 0;
};

// How far each source had come when it was last looked at: a cache beside the index, which may be lost.
class LookedAt {
 public:
  explicit LookedAt(std::string path);
  [[nodiscard]] bool due(const std::string& source, std::uint64_t sequence) const;
  void note(const std::string& source, std::uint64_t sequence) { seen_[source] = sequence; }
  void save() const;

 private:
  std::string path_;
  std::map<std::string, std::uint64_t> seen_;
};

}  // namespace bk::store
