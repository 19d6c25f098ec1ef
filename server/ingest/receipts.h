// Writing receipts into a client's control repository: refs/heads/receipts, which only the server writes.
//
// put() is durable when it returns.  Several writers (ingest_requests, do_backup's workers) are serialised by
// a lock in the repository.  Layout of the branch and the checkpoint rule: docs/protocol/control.md.
#pragma once

#include "proto/receipt/receipt.h"

#include <string>
#include <vector>

namespace bk::server {

class ReceiptBook {
 public:
  // `repository` is <home>/repositories/<client>.git.
  explicit ReceiptBook(std::string repository);
  // Adds or replaces receipts in one commit.  A final outcome replaces `taken`; `taken` never replaces a
  // final one.
  void put(const std::vector<proto::Receipt>& receipts);

 private:
  std::string repository_;
};

}  // namespace bk::server
