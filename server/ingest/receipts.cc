#include "server/ingest/receipts.h"

#include "common/error/error.h"
#include "common/io/crash.h"
#include "common/io/file.h"
#include "common/io/lock.h"
#include "common/time/time.h"
#include "server/access/home.h"
#include "server/access/hooks.h"
#include "server/ingest/receipt_branch.h"

#include <chrono>
#include <thread>

namespace bk::server {

namespace {

// Two workers that find the repository deleted make it at the same time, and git's own lock files let only
// one pass: the other finds it made a moment later.
void ensure_patiently(const std::string& repository, const std::string& hooks) {
  constexpr int kTries = 40;
  for (int tried = 1;; ++tried) {
    try {
      return ensure_repository(repository, hooks, kRequestsRef);
    } catch (const Error&) {
      if (tried == kTries) throw;
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
  }
}

}  // namespace

ReceiptBook::ReceiptBook(std::string repository) : repository_(std::move(repository)) {}

void ReceiptBook::put(const std::vector<proto::Receipt>& receipts) {
  if (receipts.empty()) return;
  // The control repository may have been deleted meanwhile; its client still wants to know.
  const std::string home = parent_of(parent_of(repository_));
  ensure_patiently(repository_, hooks_folder(home, "client"));
  const FileLock lock = FileLock::exclusive(repository_ + "/backline/lock");
  git::Repository repository(repository_);
  ReceiptBranch branch(repository);
  for (const proto::Receipt& receipt : receipts) branch.put(receipt);
  branch.commit(SystemClock().now().seconds);
  crash_point("ingest.receipts_put");
}

}  // namespace bk::server
