// Pulls a directory tree from a client that has only an SFTP server: the method `rsync` without an agent.
//
// The walk is ours: a directory is listed, sorted, compared with the previous snapshot in step, and only
// files whose size or time differ are read.  SFTP version 3 tells whole seconds, and nothing of inodes,
// links, attributes and holes, so: a file is taken over unread only when its time is clearly older than the
// pull that read it, hard links become files of their own, attributes and ACLs are not saved, holes become
// zeros, devices are listed as skipped.
//
// The far side opens by path and follows symlinks.  So a directory that was listed and a file that was read
// are asked for once more: their real path must be what it was for the root, a file must still be the one
// that was opened.
//
// The far side is not believed: names are components, sizes are what came, memory is bounded: long listings
// lie in an unnamed temporary file.
#pragma once

#include "common/error/error.h"
#include "common/path/pattern.h"
#include "common/spill/spill_file.h"
#include "common/ssh/ssh.h"
#include "common/tree/entry.h"
#include "server/pull/agentless/listing.h"
#include "server/pull/driver.h"
#include "server/pull/tree/old_directory.h"
#include "server/store/extents.h"
#include "server/store/tree.h"

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace bk::pull {

class SftpTree {
 public:
  // Told where the unfinished tree is; everything in it was put, and is for the callee to sync.
  using Note = std::function<void(const Entry& root)>;
  SftpTree(ssh::Session& session, ssh::Sftp& sftp, Surroundings& around, Note note = {});
  // `root` is an absolute path, of a directory and no symlink.  Everything is in the writer when it returns,
  // nothing is committed.  Now and then, and before Transient or Cancelled is thrown, the writer gets a
  // checkpoint.  Throws Refused (no such directory), Protocol (a name that cannot be one), Transient (line),
  // Cancelled (time limit, stopped), Io and Corrupt from the store.
  [[nodiscard]] Pulled run(const std::string& root);

 private:
  struct Level {  // a directory on the way down
    explicit Level(const std::shared_ptr<SpillFile>& file) : names(file) {}
    Entry entry;
    std::string path, below;  // on the client; below the root
    Listing names;
    std::string last_name;
    std::optional<OldDirectory> old;
    std::optional<OldDirectory> begun;  // what an unfinished pull had of it, and where to read that again
    std::optional<ChunkId> begun_node;
    std::unique_ptr<store::DirectoryWriter> writer;
  };
  // What is known of an entry already: from the previous snapshot, and from an unfinished pull.
  struct Known {
    std::optional<Entry> old, begun;
  };
  struct Reading {  // a file, as far as it is stored
    std::string path, below;
    Entry entry;  // as listed
    store::ExtentFolder folder;
    std::uint64_t bytes = 0;  // in `folder`
  };
  class Content;
  enum class Read { Whole, Changed, Elsewhere };
  using Clock = std::chrono::steady_clock;

  void begin(const std::string& root);
  void push(Entry entry, std::string path, std::string below, const Known& known);
  void list(Level& level);
  void list_names(Level& level);
  [[nodiscard]] bool may_mark(const std::string& name, const ssh::Sftp::Facts& facts) const;
  [[nodiscard]] bool marks(const Level& level, const std::string& name);
  [[nodiscard]] bool is_foreign(const Level& level);
  [[nodiscard]] bool leads_elsewhere(const std::string& path, const std::string& below);
  void step();
  void keep_limits() const;
  void require_line(const Error& error);
  void leave();
  void add(Level& level, const Listed& listed, Known known);
  [[nodiscard]] bool complete(Level& level, Entry& entry, const Listed& listed, Known known);
  [[nodiscard]] bool take_over(Entry& entry, Known& known);
  [[nodiscard]] bool read_link(Level& level, Entry& entry);
  [[nodiscard]] bool read_file(Level& level, Entry& entry, const std::optional<Entry>& begun);
  void start_reading(const std::string& path, const std::string& below, const Entry& listed,
                     const std::optional<Entry>& begun);
  [[nodiscard]] Read read_once(Entry& entry);
  [[nodiscard]] Read judge(const ssh::Sftp::Around& around, std::uint64_t bytes);
  [[nodiscard]] static bool same_file(const Entry& old, const Entry& now, Timestamp read_since);
  void maybe_checkpoint();
  void checkpoint();
  void keep_what_is_there() noexcept;
  [[nodiscard]] Entry partial_root();
  void add_rest(const Level& level, store::DirectoryWriter& writer);
  // False when the entry is gone; what cannot be read is reported.  Throws when the line is broken.
  [[nodiscard]] bool still_there(const Error& error, const std::string& below);
  void report(const std::string& reason, const std::string& below);

  ssh::Session& session_;
  ssh::Sftp& sftp_;
  Surroundings& around_;
  Note note_;
  Clock::time_point end_;
  Patterns exclude_;
  std::string real_root_;
  std::uint64_t file_system_ = 0;  // of the root; only with one_file_system
  std::shared_ptr<SpillFile> spill_;
  std::vector<Level> stack_;
  std::optional<Reading> reading_;
  Clock::time_point noted_ = Clock::now();
  std::uint64_t noted_bytes_ = 0;
  ChunkId noted_node_{};
  bool doubt_ = false;  // something of the old tree is damaged: what it has is looked for first
  Pulled out_;
};

}  // namespace bk::pull
