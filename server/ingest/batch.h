// A bounded number of requests on their way into TODO: read, judged, added, answered.
#pragma once

#include "common/git/repository.h"
#include "common/time/time.h"
#include "proto/receipt/receipt.h"
#include "proto/request/request.h"
#include "server/access/client_rules.h"
#include "server/ingest/ingest.h"
#include "server/todo/todo.h"

#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace bk::server {

// What is wrong with one request file.
struct BadRequest {
  std::string id;  // as far as it can be read; empty: nobody to answer
  std::string reason;
  int status = 0;  // 76: broken; 77: not allowed
};
// Judges one blob of a commit.  Pure.
[[nodiscard]] std::variant<proto::Request, BadRequest> judge_request(std::string_view file_name,
                                                                     std::string_view text,
                                                                     const std::string& client);

class Batch {
 public:
  Batch(const std::string& home, std::string client, git::Repository& repository, const Clock& clock,
        IngestReport& report);
  // Reads one commit that `user` pushed (empty: unknown, then the client itself); flushes when enough is
  // collected.
  void read(const git::Oid& commit, const std::string& user);
  // TODO, then receipts, then the cursor: each durable before the next (I1).
  void flush();

 private:
  void read_entry(const git::TreeEntry& entry);
  void refuse(const BadRequest& bad);
  void add(const std::vector<proto::Request>& requests);

  std::string client_;
  git::Repository& repository_;
  const Clock& clock_;
  IngestReport& report_;
  BacklineConf rules_;
  TodoList todo_;

  std::string user_;
  std::vector<proto::Request> requests_;
  std::vector<proto::Receipt> receipts_;
  std::vector<std::string> repeated_;  // ids that were known
  std::vector<git::Oid> confirmed_;
  std::uint64_t mark_ = 0;
  std::size_t bytes_ = 0, commits_ = 0;
  std::optional<git::Oid> last_;  // complete up to here
};

}  // namespace bk::server
