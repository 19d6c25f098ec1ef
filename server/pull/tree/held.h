// What the server holds between the moment a directory is named and the moment its node is stored.
#pragma once

#include "common/digest/sha256.h"
#include "common/tree/entry.h"
#include "proto/pull/messages.h"
#include "server/pull/tree/child_list.h"
#include "server/pull/tree/old_directory.h"
#include "server/store/extents.h"
#include "server/store/tree.h"

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace bk::pull {

struct HeldDirectory {
  HeldDirectory* parent = nullptr;  // left later than this one, so it lives longer
  std::string name;
  // The directory of that path in the previous snapshot, or, when it was moved, the one of its inode, or,
  // when it equals that, the one of the checkpoint: `moved` says that its path in the previous snapshot does
  // not count.
  std::optional<Entry> old;
  bool moved = false;
  // The directory of that path in the checkpoint of an unfinished pull.
  std::optional<Entry> begun;

  // While it is open: its subdirectories against the old ones.
  std::optional<OldDirectory> old_subdirectories, begun_subdirectories;
  std::string last_child;
  bool other_children = false;    // not the subdirectories that it had
  bool changed_children = false;  // one of them has another entry than before
  ChildList children;             // finished ones

  // Once it was left.
  Leave leave;
  bool want = true;

  // While its pages come in.
  std::optional<OldDirectory> old_entries, begun_entries;
  std::string last_name;
  Sha256 records;
  std::uint64_t entries = 0;
  bool all_pages = false;

  // While it is stored.
  std::unique_ptr<store::DirectoryWriter> writer;
  std::string stored_child;  // the last of its children that was added
  bool clean = true;         // nothing in it must be looked at again in the next run
  bool stored = false;
  Digest listing;
};

// The stored beginning of a file that an earlier pull did not read to its end.
struct HeldBeginning {
  std::uint64_t bytes = 0;
  store::ExtentFolder folder;
};

inline constexpr std::uint64_t kNotEnded = UINT64_MAX;

struct HeldPage {
  std::uint64_t number = 0;
  HeldDirectory* directory = nullptr;
  bool last = false;
  std::vector<Entry> entries;
  Bitmap wanted;
  std::vector<bool> dropped;  // vanished while it was read
  std::vector<bool> linked;   // has the content of another name
  // For each entry: complete when so many batches are; kNotEnded for a wanted one whose content did not end.
  std::vector<std::uint64_t> ready;
  std::map<std::size_t, HeldBeginning> begun;  // by index; offered to the agent
  std::size_t open_files = 0;                  // wanted, and not ended
  std::uint64_t batches = 0;                   // complete when so many batches are
  std::size_t held_bytes = 0;
};

struct Held {
  // `scratch`: a folder for temporary files.
  explicit Held(const std::string& scratch) : spool(scratch) {}
  std::deque<std::unique_ptr<HeldDirectory>> left;  // in the order of their Leave
  std::deque<HeldPage> pages;                       // in the order of their arrival
  ChildSpool spool;
  // Paths of entries of which an attribute could not be read.
  std::set<std::string> attributes_lost;
  std::size_t bytes = 0;
  // Counts; more than kMaxHeldBytes throws Protocol.
  void add(std::size_t more);
};

// The path below the root of an entry of this directory.
[[nodiscard]] std::string path_of(const HeldDirectory& directory, std::string_view name);

// About what an entry costs while it is held.
[[nodiscard]] std::size_t weight_of(const Entry& entry);

}  // namespace bk::pull
