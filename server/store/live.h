// What stands in the journals that are not packs yet, whoever writes them.
//
// A journal that the disk does not give back, as a whole or in part, is no reason to stop: what could be read
// of it counts, the rest is as absent, and problem() tells.
#pragma once

#include "common/storage/folder_storage.h"
#include "server/store/bad_sectors.h"
#include "server/store/layout.h"
#include "server/store/location.h"
#include "server/store/run.h"
#include "server/store/scan.h"

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

namespace bk::store {

class LiveJournals {
 public:
  static constexpr std::size_t kCrowded = 1U << 16U;  // chunks of one journal
  LiveJournals(const Layout& layout, const StoreId& store) : layout_(layout), store_(store) {}
  // Reads on where the last call stopped: only whole records whose payload matches its digest count.
  // `covered` says up to where the runs know a journal: asked when one is first seen, and when it has left
  // the folder; kWholePack then lets go of its entries.  Also asked for a journal of very many chunks, whose
  // writer puts them into runs from time to time: what it did is let go of.
  using Covered = std::function<std::uint64_t(std::uint64_t)>;
  void refresh(const Covered& covered);
  // What this process itself appended, so that it need not be read again.
  void note(std::uint64_t number, std::uint64_t offset, std::uint64_t end,
            const std::vector<StoredChunk>& chunks);
  void find(const Key& key, const std::function<void(const Location&)>& sink) const;
  [[nodiscard]] std::vector<std::uint64_t> numbers() const;  // of the journals that are known
  // All entries of one journal.
  [[nodiscard]] std::vector<IndexEntry> entries(std::uint64_t number) const;
  void forget(std::uint64_t number);
  // Of a journal of which something could not be read: what and why.
  [[nodiscard]] std::optional<std::string> problem(std::uint64_t number) const;
  [[nodiscard]] std::optional<std::string> problem() const;  // of the first such one
  // How many bytes of a journal only this memory knows, and where their last group ends.  Not where the file
  // ends: a mark behind the last group may be lost in a power cut, and coverage must never reach beyond the
  // file.
  struct Uncovered {
    std::uint64_t bytes = 0, end = 0;
    std::size_t chunks = 0;
  };
  [[nodiscard]] Uncovered uncovered(std::uint64_t number) const;
  void clear();
  // Lets go of journals of whose entries the runs have lost some, to be read again; true when there were any.
  bool forget_lost(const Covered& covered);
  // The entries are in a run now.
  void covered(std::uint64_t number);
  // Makes everything seen so far durable, since what a snapshot names may stand in another writer's journal.
  void sync_others(std::uint64_t own);
  [[nodiscard]] bool has(std::uint64_t number) const { return views_.contains(number); }

 private:
  struct View {
    // Kept open from the first look on, so that a failed write-back is reported to us, too.
    std::unique_ptr<FileReader> file;
    std::uint64_t begin = kPackHeaderBytes, end = kPackHeaderBytes, synced_end = kPackHeaderBytes;
    std::uint64_t group_end = kPackHeaderBytes;
    std::size_t look_again = kCrowded;  // at so many chunks: whether their writer has covered some meanwhile
    BadSectors bad;
    std::uint64_t size_seen = 0;  // when something bad was found
    std::unordered_multimap<Key, Location> chunks;
  };
  void read_on(std::uint64_t number, View& view);
  static void let_go_covered(View& view, std::uint64_t upto);
  [[nodiscard]] View* open(std::uint64_t number, const Covered& covered);

  Layout layout_;
  StoreId store_;
  GroupDecoder decoder_;
  std::map<std::uint64_t, View> views_;
  std::map<std::uint64_t, std::string> closed_;  // those that cannot be opened, and why; not tried again
};

}  // namespace bk::store
