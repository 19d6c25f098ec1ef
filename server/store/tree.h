// Directories in the store: paged nodes of sorted entries (docs/formats/tree.md), written bottom-up, read
// page by page.
#pragma once

#include "common/tree/entry.h"
#include "server/store/store.h"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace bk::store {

// Writes one directory.  Entries come in strictly increasing byte order of their names; subdirectories are
// finished before their parent gets their entry (with node, listing and has_subdirectories set).  Memory: one
// page, not one directory.
class DirectoryWriter {
 public:
  explicit DirectoryWriter(Writer& writer);
  ~DirectoryWriter();
  void add(const Entry& entry);  // throws Protocol for an entry out of order or with a bad name
  struct Done {
    ChunkId node;
    bool has_subdirectories = false;
  };
  [[nodiscard]] Done finish();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Reads one directory in name order.  Memory: one page.
class DirectoryReader {
 public:
  DirectoryReader(Store& store, const ChunkId& node);
  ~DirectoryReader();
  // The next entry, or nothing at the end.  Throws Corrupt.
  [[nodiscard]] std::optional<Entry> next();
  // The entry of that name, reading only the pages on the way; independent of next().
  [[nodiscard]] std::optional<Entry> find(std::string_view name);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// All extents of a file, following chunk lists (a long file's entry may point to a List object instead of
// holding them all).
void for_each_extent(Store& store, const Entry& file, const std::function<void(const Extent&)>& sink);

// Chunks a byte stream into the store: feed() any pieces, finish() gives the extents.  For archives and git
// packs.
class StreamWriter {
 public:
  explicit StreamWriter(Writer& writer, const ChunkerParams& params);
  ~StreamWriter();
  void feed(std::string_view bytes);
  [[nodiscard]] std::vector<Extent> finish();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Stores a folder of the local file system (a git mirror's files) as a tree: regular files, directories and
// symlinks. `accept` chooses entries by path relative to the folder.  Returns the root entry.
[[nodiscard]] Entry store_local_tree(Writer& writer, const ChunkerParams& params,
                                     const std::string& directory,
                                     const std::function<bool(std::string_view)>& accept);

}  // namespace bk::store
