// Pulls a directory tree from a client that has only an SFTP server: the method `rsync` without an agent.
//
// The walk is ours: a directory is listed, sorted, compared with the previous snapshot in step, and only
// files whose size or time differ are read.  SFTP version 3 tells whole seconds, and nothing of inodes,
// links, attributes and holes, so: a file is taken over unread only when its time is clearly older than the
// pull that read it, hard links become files of their own, attributes and ACLs are not saved, holes become
// zeros, devices are listed as skipped.
//
// The far side is not believed: names are components, sizes are what came, memory is bounded: long listings
// lie in an unnamed temporary file.
#pragma once

#include "common/error/error.h"
#include "common/spill/spill_file.h"
#include "common/ssh/ssh.h"
#include "common/tree/entry.h"
#include "server/pull/agentless/listing.h"
#include "server/pull/driver.h"
#include "server/pull/tree/old_directory.h"
#include "server/store/tree.h"

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace bk::pull {

class SftpTree {
 public:
  SftpTree(ssh::Session& session, ssh::Sftp& sftp, Surroundings& around);
  // `root` is an absolute path, of a directory and no symlink.  Everything is in the writer when it returns,
  // nothing is committed.  Throws Refused (no such directory), Protocol (a name that cannot be one),
  // Transient (line, deadline), Io and Corrupt from the store.
  [[nodiscard]] Pulled run(const std::string& root);

 private:
  struct Level {  // a directory on the way down
    explicit Level(const std::shared_ptr<SpillFile>& file) : names(file) {}
    Entry entry;
    std::string path, below;  // on the client; below the root
    Listing names;
    std::string last_name;
    std::optional<OldDirectory> old;
    std::unique_ptr<store::DirectoryWriter> writer;
  };
  void push(Entry entry, std::string path, std::string below, const std::optional<Entry>& old);
  void list(Level& level);
  void step();
  void check_time() const;
  void require_line(const Error& error);
  void leave();
  void add(Level& level, const Listed& listed, std::optional<Entry> old);
  [[nodiscard]] bool complete(Level& level, Entry& entry, const Listed& listed, std::optional<Entry> old);
  [[nodiscard]] bool read_link(Level& level, Entry& entry);
  [[nodiscard]] bool read_file(Level& level, Entry& entry);
  [[nodiscard]] bool read_once(const std::string& path, Entry& entry);
  [[nodiscard]] bool same_file(const Entry& old, const Entry& now) const;
  // False when the entry is gone; what cannot be read is reported.  Throws when the line is broken.
  [[nodiscard]] bool still_there(const Error& error, const std::string& below);
  void report(const std::string& reason, const std::string& below);

  ssh::Session& session_;
  ssh::Sftp& sftp_;
  Surroundings& around_;
  std::chrono::steady_clock::time_point end_;
  std::shared_ptr<SpillFile> spill_;
  std::vector<Level> stack_;
  bool doubt_ = false;  // something of the old tree is damaged: what it has is looked for first
  Pulled out_;
};

}  // namespace bk::pull
