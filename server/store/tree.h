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
  DirectoryWriter(DirectoryWriter&&) noexcept;
  DirectoryWriter& operator=(DirectoryWriter&&) noexcept;
  // Folds long contents into lists.  Throws Protocol for an entry out of order, with a bad name, or with more
  // than 2 MiB of attributes.
  void add(const Entry& entry);
  // Another one that goes on from here: what is added to it does not reach this one.
  [[nodiscard]] DirectoryWriter branch() const;
  struct Done {
    ChunkId node;
    bool has_subdirectories = false;
  };
  [[nodiscard]] Done finish();

 private:
  struct Impl;
  explicit DirectoryWriter(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// Reads one directory in name order.  Memory: one page.
class DirectoryReader {
 public:
  DirectoryReader(Store& store, const ChunkId& node);
  ~DirectoryReader();
  DirectoryReader(DirectoryReader&&) noexcept;
  DirectoryReader& operator=(DirectoryReader&&) noexcept;
  // The next entry, or nothing at the end.  Its content may hold List extents.  Throws Corrupt.
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

// The same, one after another.  Memory: one list a level.
class ExtentReader {
 public:
  ExtentReader(Store& store, std::vector<Extent> content);
  // Never a List; nothing at the end.  Throws Corrupt.
  [[nodiscard]] std::optional<Extent> next();

 private:
  struct Level {
    std::vector<Extent> extents;
    std::size_t at = 0;
  };
  Store& store_;
  std::vector<Level> stack_;
};

// Chunks a byte stream into the store: feed() any pieces, finish() gives the extents (a few: a long stream's
// are folded into lists).  For archives and git packs.  Memory: a few chunks.
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
// symlinks, in the order of their names; other types are left out.  `accept` chooses entries by path relative
// to the folder; an empty one takes all.  Returns the root entry, with an empty name.  Inode, device and
// ctime are not recorded.
[[nodiscard]] Entry store_local_tree(Writer& writer, const ChunkerParams& params,
                                     const std::string& directory,
                                     const std::function<bool(std::string_view)>& accept);

}  // namespace bk::store
