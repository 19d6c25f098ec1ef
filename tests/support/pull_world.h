// A client's tree, a real agent process, a real store: what tests of the tree method need.
#pragma once

#include "common/process/process.h"
#include "server/pull/stream.h"
#include "server/pull/tree_pull.h"
#include "server/store/store.h"
#include "tests/support/temp_dir.h"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace bk::test {

// A running tree_agent and the stream to it.
class AgentProcess {
 public:
  explicit AgentProcess(std::vector<std::string> arguments);
  [[nodiscard]] pull::ByteStream& stream() { return *stream_; }
  [[nodiscard]] Child& child() { return *child_; }

 private:
  std::unique_ptr<Child> child_;
  std::unique_ptr<pull::PipeStream> stream_;
};

class PullWorld {
 public:
  PullWorld();
  // The tree that is backed up; made by the test.
  [[nodiscard]] std::string source() const { return dir_.file("source"); }
  [[nodiscard]] std::string file(const std::string& name) const { return dir_.file(name); }
  [[nodiscard]] store::Store& store() { return *store_; }
  // Opened anew, as by another process; with `empty`, a new one without anything in it.
  void reopen(bool empty = false);
  [[nodiscard]] std::unique_ptr<store::Writer> writer(const std::string& client = "web1");
  // Pulls through a new agent process, commits, and remembers the snapshot for the next one.
  pull::PullReport pull(std::vector<std::string> agent_arguments = {});
  // Through any stream; nothing is committed.
  pull::PullReport pull_from(pull::ByteStream& stream, store::Writer& writer,
                             const pull::PullOptions& options = {});
  // As pull_from(), keeping checkpoints as do_backup does and beginning with the one that is there.
  pull::PullReport resume_from(pull::ByteStream& stream, store::Writer& writer,
                               pull::PullOptions options = {});
  void commit(store::Writer& writer, const pull::PullReport& report);
  // Writes the newest snapshot below file(name) and compares it with the source; what differs, "" when
  // nothing.
  [[nodiscard]] std::string differences(const std::string& name = "exported");
  [[nodiscard]] const std::optional<store::SnapshotRecord>& newest() const { return newest_; }
  [[nodiscard]] std::uint64_t store_bytes() const;

 private:
  TempDir dir_;
  std::unique_ptr<store::Store> store_;
  std::optional<store::SnapshotRecord> newest_;
};

// Recreates the tree below `destination`, which is made.
void export_tree(store::Store& store, const Entry& root, const std::string& destination);

// Runs a program of the tests; throws when its status is not 0.
std::string run_tool(const std::vector<std::string>& argv);

}  // namespace bk::test
