// A folder of the system that Backline replaces, read only: entries "<base64 path> <YY-MM-DD_hh_mm_ss>
// <sha256>", each a link to "@obj_<sha256>" beside it or, exported, the archive itself (F004-1 to F004-9).
//
// Its archives are shown as snapshots of the method `sftp`: id and content are the SHA-256 of the archive.
#pragma once

#include "server/bkdb/commands.h"
#include "server/bkdb/sources.h"

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace bk::bkdb {

struct OldEntry {
  std::string file;    // name in the folder
  std::string source;  // bytes of the path that was backed up
  Timestamp time;      // as it stands in the name, taken for UTC
  std::string sha256;  // 64 hex: what its content must be
  bool there = false;  // its archive exists
};

// The name alone; nothing, and why, when it is no entry's.
[[nodiscard]] std::optional<OldEntry> parse_old_entry(const std::string& file, std::string& reason);

class OldFolder {
 public:
  // Nothing when the folder holds neither an object nor an entry.
  [[nodiscard]] static std::optional<OldFolder> open(const std::string& folder);

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] const std::vector<OldEntry>& entries() const { return entries_; }
  // `Ignore "<name>": why`, one for each file that looks like an entry and is none.
  [[nodiscard]] const std::vector<std::string>& ignored() const { return ignored_; }
  // Objects that no entry names.
  [[nodiscard]] const std::vector<std::string>& unreferenced() const { return unreferenced_; }
  // As `ls` numbers them.
  [[nodiscard]] std::vector<Source> sources() const;
  [[nodiscard]] const OldEntry& entry_of(const store::SnapshotRecord& snapshot) const;
  // Hands the archive to `sink` piece by piece; what is wrong with it, "" when it is what its name says.
  [[nodiscard]] std::string read(const OldEntry& entry,
                                 const std::function<void(std::string_view)>& sink) const;

 private:
  explicit OldFolder(std::string path) : path_(std::move(path)) {}
  void take(const std::string& name);
  void find_unreferenced(const std::vector<std::string>& names);

  std::string path_;
  std::vector<OldEntry> entries_;
  std::vector<std::string> ignored_, unreferenced_;
};

// ls, verify and export on such a folder; throws Usage for any other command.
int run_old(const OldFolder& folder, Session& session, const std::string& command, const Words& words);

}  // namespace bk::bkdb
