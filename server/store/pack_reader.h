// Reads groups out of packs and journals, verified, with a small cache of decoded ones.
#pragma once

#include "common/storage/storage.h"
#include "server/store/layout.h"
#include "server/store/location.h"

#include <list>
#include <map>
#include <memory>
#include <unordered_map>

namespace bk::store {

// A decoded group.  Its chunks are not hashed yet: PackReader::chunk() does that.
struct DecodedGroup {
  RecordHead head;
  std::string content;                // or the front of it
  std::vector<std::uint32_t> begins;  // of each chunk in `content`
};

class PackReader {
 public:
  PackReader(const Layout& layout, const StoreId& store) : layout_(layout), store_(store) {}
  // The content of the chunk at `where`, its hash compared with `id`; valid until the next call.
  // Throws Corrupt naming pack and offset; Io when the disk refuses.  A pack that is not there is Corrupt.
  [[nodiscard]] std::string_view chunk(const Location& where, ObjectKind kind, const ChunkId& id);
  [[nodiscard]] std::string_view chunk(const Location& where, ObjectKind kind, const StoredId& id);
  // The next chunks read of this group are those up to position `last`: it need not be decoded further.  What
  // cannot be read is left to chunk() to say.
  void prepare(const Location& where, std::uint16_t last);
  // The group at this offset as it lies there; with `check`, its payload is compared with its digest.  Throws
  // as chunk() does.
  [[nodiscard]] StoredGroup encoded(std::uint64_t pack, std::uint32_t offset, bool check);
  // What the group holds; it is decoded only when its table has no ids.  Throws as chunk() does.
  [[nodiscard]] std::vector<StoredChunk> chunks(std::uint64_t pack, std::uint32_t offset);
  // The lengths of its chunks; only the record's head is read.  Throws as chunk() does.
  [[nodiscard]] std::vector<std::uint32_t> lengths(std::uint64_t pack, std::uint32_t offset);
  // The pack or journal, whichever exists; throws Corrupt when neither does.  Valid until the next call.
  [[nodiscard]] ObjectReader& open(std::uint64_t number);
  // What was read of it was damaged: the next look opens it anew, as a heal may have put a whole one there.
  void forget(std::uint64_t number);

 private:
  [[nodiscard]] std::string_view content_at(const Location& where, ObjectKind kind);
  using GroupKey = std::pair<std::uint64_t, std::uint32_t>;
  struct Cached {
    GroupKey key;
    DecodedGroup group;
  };
  // Decoded at least up to the end of chunk `position`.
  [[nodiscard]] const DecodedGroup& group(std::uint64_t pack, std::uint32_t offset, std::size_t position);
  const DecodedGroup& remember(const GroupKey& key, DecodedGroup group);
  // Head of the record, and where its payload begins.
  [[nodiscard]] RecordHead read_head(ObjectReader& in, std::uint64_t pack, std::uint32_t offset,
                                     std::uint64_t& payload_at);
  // Head and payload of the record.
  [[nodiscard]] RecordHead read(std::uint64_t pack, std::uint32_t offset, std::string& payload);
  // Decoded up to the end of chunk `last`, or whole when there are fewer chunks.
  [[nodiscard]] DecodedGroup load(std::uint64_t pack, std::uint32_t offset, std::size_t last);
  void trim();

  Layout layout_;
  StoreId store_;
  GroupDecoder decoder_;
  std::string payload_, spare_;  // memory for the next group: fresh one would have to be cleared each time
  std::list<Cached> cache_;      // most recently used first
  std::map<GroupKey, std::list<Cached>::iterator> cached_;
  std::size_t cached_bytes_ = 0;
  std::list<std::pair<std::uint64_t, std::unique_ptr<ObjectReader>>> files_;  // most recently used first
};

}  // namespace bk::store
