// A local bare git repository through libgit2: objects and refs, no work tree, no hooks, no remotes.
//
// Nothing here is durable before sync() has returned, except refs: moving one syncs what was written through
// this object before, and the ref afterwards.  One thread per Repository.  Errors: Corrupt for an object that
// is missing or damaged, Transient for a locked ref, Io for the rest.
#pragma once

#include "common/git/oid.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

struct git_repository;

namespace bk::git {

inline constexpr std::uint32_t kModeFile = 0100644;
inline constexpr std::uint32_t kModeTree = 0040000;

struct TreeEntry {
  std::string name;  // bytes
  std::uint32_t mode = 0;
  Oid oid;
};

struct Commit {
  Oid tree;
  std::vector<Oid> parents;
  std::string message;
};

struct Signature {
  std::string name, email;
  std::int64_t seconds = 0;
};

class Repository {
 public:
  // `path` is the bare repository itself.  Ownership is not checked: callers open only what they made.
  explicit Repository(const std::string& path);
  // A new bare repository with HEAD on `branch`, without templates, mode 0750.  An existing one is left as it
  // is.
  static void init(const std::string& path, const std::string& branch);
  ~Repository();
  Repository(Repository&&) noexcept;

  // Adds another folder of objects to read from: what git has received but not yet accepted lies in one.
  void add_objects(const std::string& objects_folder);

  // Where a ref points, following symbolic ones; nothing when it does not exist.
  [[nodiscard]] std::optional<Oid> ref(const std::string& name) const;
  // Moves or makes a ref durably.  With `expected` only when it stands there now (nothing: only when it does
  // not exist yet); false: somebody else moved it.
  [[nodiscard]] bool set_ref(const std::string& name, const Oid& to, const std::optional<Oid>& expected);
  void force_ref(const std::string& name, const Oid& to);
  void delete_ref(const std::string& name);

  [[nodiscard]] Commit commit(const Oid& oid) const;
  [[nodiscard]] std::vector<TreeEntry> tree(const Oid& oid) const;
  // As tree(), but throws Protocol when it has more than `limit` entries.
  [[nodiscard]] std::vector<TreeEntry> tree(const Oid& oid, std::size_t limit) const;
  // Throws Protocol when it is longer than `limit_bytes`, without reading it.
  [[nodiscard]] std::string blob(const Oid& oid, std::uint64_t limit_bytes) const;
  [[nodiscard]] std::uint64_t object_bytes(const Oid& oid) const;
  // Reads the object in full: false when it is missing or damaged.
  [[nodiscard]] bool is_readable(const Oid& oid) const;

  // Commits reachable from `tip` and not from `after`, parents before children.  More than `limit`: Protocol.
  [[nodiscard]] std::vector<Oid> commits_between(const std::optional<Oid>& after, const Oid& tip,
                                                 std::size_t limit) const;
  // True when `tip` is `ancestor` or comes after it.
  [[nodiscard]] bool descends_from(const Oid& tip, const Oid& ancestor) const;
  // How many commits `tip` has, itself included, counting no further than `limit`.
  [[nodiscard]] std::size_t count_commits(const Oid& tip, std::size_t limit) const;

  [[nodiscard]] Oid write_blob(std::string_view bytes);
  // Entries in any order; names must differ.
  [[nodiscard]] Oid write_tree(const std::vector<TreeEntry>& entries);
  [[nodiscard]] Oid write_commit(const Oid& tree, const std::vector<Oid>& parents, const Signature& by,
                                 std::string_view message);
  // Everything that anybody wrote to the repository's file system so far is on disk.
  void sync() const;

  // Removes loose objects that cannot be read (a power cut leaves empty files).  How many.
  std::size_t remove_broken_objects();
  // Loose objects, estimated from one of their 256 folders.
  [[nodiscard]] std::size_t loose_objects() const;
  [[nodiscard]] std::size_t packs() const;

  void set_config(const std::string& key, const std::string& value);
  [[nodiscard]] const std::string& path() const { return path_; }
  // For common/git itself.
  [[nodiscard]] git_repository* raw() const;

 private:
  struct Impl;
  Oid write(std::string_view bytes, int type, const char* what);
  void sync_written();
  void sync_ref(const std::string& name) const;

  std::string path_;
  std::vector<Oid> unsynced_;
  std::unique_ptr<Impl> impl_;
};

}  // namespace bk::git
