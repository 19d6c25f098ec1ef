// Walks a tree in post-order: a directory's subdirectories first, in name order, then its own listing.
//
// Everything by descriptor, below the root; no recursion: the depth costs a stack entry, and of the
// descriptors only the deepest are kept open, the others are reopened by their path when the walk comes back.
#pragma once

#include "client/agent/beneath.h"
#include "client/agent/facts.h"
#include "client/agent/names.h"
#include "client/agent/tree_server.h"
#include "common/io/fd.h"
#include "common/path/pattern.h"
#include "proto/pull/listing.h"
#include "proto/pull/messages.h"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace bk::agent {

// What could not be taken, as the walk or the reading meets it: the path is below the root.
using Report = std::function<void(pull::SkipReason, int error, std::string_view path)>;

struct WalkCounters {
  std::uint64_t files = 0, directories = 0, others = 0, bytes = 0, vanished = 0;
};

// What all parts of one pull on the agent share.
struct WalkContext {
  Fd root;
  Patterns exclude, deny;
  bool guard_keys = false;
  std::vector<std::string> named;  // not guarded: these paths and what lies below
  std::vector<std::string> exclude_if_present;
  bool one_file_system = false, exclude_caches = false;
  std::uint64_t max_file_bytes = UINT64_MAX;
  Devices devices;
  WalkCounters counters;
  NameSpace names;

  // `temporary` is a folder for names that do not fit into `memory_bytes`.
  explicit WalkContext(const std::string& temporary, std::size_t memory_bytes = kNameMemory)
      : names(temporary, memory_bytes) {}
  Report report;
  std::function<void()> at_work = [] {};  // called often, while there is something to do
};

// The entries of one open directory in name order, as stat(2) says, without targets and attributes.
class DirectoryScan {
 public:
  // `path` is the directory's path below the root.  The first scan of a directory reports what it leaves out
  // and is to be named; another one does not say it again.
  DirectoryScan(WalkContext& context, int directory, std::string_view path, bool first = true)
      : context_(context), fd_(directory), path_(path), first_(first) {}
  // Reads the names, leaving out what the rules hide.  0 or errno.
  [[nodiscard]] int start();
  // Uses these names instead.
  void use(NameList names) { names_ = std::move(names); }
  // The next entry that is still there; false at the end.  What vanished is counted, what cannot be asked is
  // reported.
  [[nodiscard]] bool next(Entry& entry);
  [[nodiscard]] NameList& names() { return names_; }

 private:
  [[nodiscard]] bool hidden(const NameList::Name& name);
  [[nodiscard]] bool is_named(std::string_view path) const;
  [[nodiscard]] bool is_marker(const NameList::Name& name) const;
  [[nodiscard]] bool look_at(const NameList::Name& name, Entry& entry);
  WalkContext& context_;
  int fd_;
  std::string path_, match_path_;
  bool first_;
  NameList names_;
};

struct WalkEvent {
  enum class Kind { Enter, Leave } kind = Kind::Enter;
  std::string name;  // Enter
  // Leave:
  std::string path;  // of the directory below the root, "" for the root
  DirectoryId id;
  std::string records;  // of its listing; empty when it was too long to keep: list again
  bool kept = true;
  pull::Leave leave;  // number is for the caller to set
};

class TreeWalker {
 public:
  explicit TreeWalker(WalkContext& context);
  ~TreeWalker();
  // Nothing when the root was left.  The root itself has a Leave and no Enter.
  [[nodiscard]] std::optional<WalkEvent> next();

 private:
  struct Level;
  [[nodiscard]] bool push(const std::string& name);
  [[nodiscard]] bool list_level(Level& level);
  void keep_within_budget(Level& level);
  [[nodiscard]] static bool next_subdirectory(Level& level, std::string& name);
  [[nodiscard]] WalkEvent leave_level();
  [[nodiscard]] XattrResult unreadable_xattrs();
  void scan_into(Level& level, WalkEvent& event);
  [[nodiscard]] bool counts(Level& level, const Entry& entry);
  [[nodiscard]] int descriptor(Level& level, std::size_t index);
  void close_far_levels();
  [[nodiscard]] std::string level_path(std::size_t index) const;

  WalkContext& context_;
  std::string path_;
  std::vector<std::unique_ptr<Level>> stack_;
  std::size_t open_from_ = 0;  // levels below this index are closed
  std::size_t names_bytes_ = 0;
};

[[nodiscard]] std::string join_below(std::string_view directory, std::string_view name);

}  // namespace bk::agent
