#include "server/bkdb/export_tree.h"

#include "common/error/error.h"
#include "common/restore/tree_restorer.h"
#include "server/bkdb/restore_feed.h"

namespace bk::bkdb {

std::vector<std::string> export_tree(store::Store& store, const store::SnapshotRecord& snapshot,
                                     const TreeExport& task, RestoreReport& report, Findings& findings) {
  RestoreOptions options;
  options.goes_on = task.goes_on;
  options.again = [&](const ChunkId& id, std::string& why) -> std::optional<std::string> {
    try {
      return store.read(ObjectKind::Data, id);
    } catch (const Error& error) {
      if (error.kind() != Kind::Corrupt) throw;
      why = error.what();
      return std::nullopt;
    }
  };
  TreeRestorer restorer(
      task.destination_fd, task.destination, report,
      [&](const std::string& path, const std::string& reason) {
        findings.damage(path, reason + "; not exported");
      },
      std::move(options));
  FeedTask feed;
  feed.entry = task.entry;
  feed.parts = task.parts;
  std::vector<std::string> missing = feed_tree(store, snapshot, feed, restorer, findings);
  restorer.finish();
  return missing;
}

}  // namespace bk::bkdb
