#include "server/ingest/receipts.h"

#include "common/io/crash.h"
#include "common/io/file.h"
#include "common/io/lock.h"
#include "common/time/time.h"
#include "server/access/home.h"
#include "server/access/hooks.h"
#include "server/ingest/receipt_branch.h"

namespace bk::server {

ReceiptBook::ReceiptBook(std::string repository) : repository_(std::move(repository)) {}

void ReceiptBook::put(const std::vector<proto::Receipt>& receipts) {
  if (receipts.empty()) return;
  // The control repository may have been deleted meanwhile; its client still wants to know.
  const std::string home = parent_of(parent_of(repository_));
  ensure_repository(repository_, hooks_folder(home, "client"), kRequestsRef);
  const FileLock lock = FileLock::exclusive(repository_ + "/backline/lock");
  git::Repository repository(repository_);
  ReceiptBranch branch(repository);
  for (const proto::Receipt& receipt : receipts) branch.put(receipt);
  branch.commit(SystemClock().now().seconds);
  crash_point("ingest.receipts_put");
}

}  // namespace bk::server
