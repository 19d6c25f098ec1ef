// One entry of a directory, as the agent reads it, the wire carries it, the tree stores it and an export
// recreates it.
//
// Names, targets and attribute names are bytes.  Numbers are the kernel's.  The encodings (page on the wire,
// node in the store) are elsewhere; this is only the value.
#pragma once

#include "common/chunk/chunk_id.h"
#include "common/time/time.h"

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace bk {

enum class EntryType : unsigned char {
  File = 'f',
  Directory = 'd',
  Symlink = 'l',
  Fifo = 'p',
  CharDevice = 'c',
  BlockDevice = 'b',
  Socket = 's',
};
[[nodiscard]] bool is_entry_type(unsigned char byte);
// The type that stat(2) gives; nothing for a type that is none of these.
[[nodiscard]] std::optional<EntryType> entry_type(std::uint32_t mode);

struct Xattr {
  std::string name;
  std::string value;
  bool operator==(const Xattr&) const = default;
};

// A stretch of a file's content, in file order; lengths add up to the file's size.
//
// List stands only in what the store returns: the object `id` holds the extents of the next `bytes` bytes of
// a long file.  server/store/tree.h for_each_extent() resolves it; writers may hand it back unchanged.
struct Extent {
  enum class Kind : unsigned char { Chunk, Hole, Inline, List } kind = Kind::Chunk;
  std::uint64_t bytes = 0;
  ChunkId id{};             // Chunk, List
  std::string inline_data;  // Inline, `bytes` long
  bool operator==(const Extent&) const = default;
};

struct Entry {
  std::string name;  // one component; empty only for the root of a snapshot
  EntryType type = EntryType::File;
  std::uint32_t mode = 0;  // permission bits, 07777
  std::uint32_t uid = 0, gid = 0;
  std::uint64_t size = 0;  // of a file's content or a symlink's target; 0 otherwise
  Timestamp mtime, ctime;
  std::uint64_t device = 0,
                inode = 0;  // of the client's file system; (device, inode) joins hard links when links > 1
  std::uint64_t links = 1;
  std::uint32_t rdev_major = 0, rdev_minor = 0;  // devices
  std::string target;                            // symlinks
  std::vector<Xattr> xattrs;                     // sorted by name
  std::vector<Extent> content;                   // files
  // Directories, once stored: the node that holds its entries, and the digest the agent computed over its
  // listing.
  ChunkId node{};
  Digest listing{};
  bool has_subdirectories = false;
  // Set when the file changed during every attempt to read it: the content may mix versions.
  bool changed_while_read = false;
  // Set when the content could not be read: `content` is empty though size is not 0.  Never silently: also in
  // the receipt.
  bool unreadable = false;
  bool operator==(const Entry&) const = default;
};

}  // namespace bk
