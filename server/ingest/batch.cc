#include "server/ingest/batch.h"

#include "common/error/error.h"
#include "common/io/crash.h"
#include "common/text/escape.h"
#include "server/ingest/commit_message.h"
#include "server/ingest/cursor.h"
#include "server/ingest/receipt_branch.h"

namespace bk::server {
namespace {

// Bounds memory: a batch is at most this and one commit's file more.
constexpr std::size_t kMaxRequests = 5000;
constexpr std::size_t kMaxBytes = 8U << 20U;
constexpr std::size_t kMaxCommits = 4096;
// JSON readers and people's scripts hold larger numbers as floating point.
constexpr std::uint64_t kMaxCounter = 1ULL << 53U;

// The id of a file that cannot be parsed, so that its owner can be told.
std::string find_id(std::string_view text) {
  constexpr std::string_view kKey = "\nid: ";
  const std::size_t at = text.find(kKey);
  if (at == std::string_view::npos) return {};
  const std::string_view id = text.substr(at + kKey.size(), 32);
  const bool ends = text.substr(std::min(at + kKey.size() + 32, text.size())).starts_with('\n');
  return ends && proto::is_request_id(id) ? std::string(id) : std::string();
}

}  // namespace

std::variant<proto::Request, BadRequest> judge_request(std::string_view file_name, std::string_view text,
                                                       const std::string& client) {
  proto::Request request;
  try {
    request = proto::parse_request(text);
  } catch (const Error& error) {
    return BadRequest{find_id(text), error.what(), kExitProtocol};
  }
  if (request.client != client)
    return BadRequest{request.id,
                      "the request says client " + quoted(request.client) + ", but it was pushed to " +
                          quoted(client + ".git"),
                      kExitRefused};
  if (file_name != "RQ" + proto::request_stem(request.module, request.name))
    return BadRequest{request.id, "the file name does not belong to this module and name", kExitProtocol};
  if (request.counter > kMaxCounter) return BadRequest{request.id, "counter: too large", kExitProtocol};
  return request;
}

Batch::Batch(const std::string& home, std::string client, git::Repository& repository, const Clock& clock,
             IngestReport& report)
    : client_(std::move(client)),
      repository_(repository),
      clock_(clock),
      report_(report),
      rules_(load_backline_conf(home)),
      todo_(home + "/TODO") {}

void Batch::refuse(const BadRequest& bad) {
  ++report_.refused;
  report_.notices.push_back("client " + client_ + ": request " + (bad.id.empty() ? "without id" : bad.id) +
                            " refused: " + bad.reason);
  if (bad.id.empty()) return;
  proto::Receipt receipt;
  receipt.id = bad.id;
  receipt.outcome = proto::Outcome::Refused;
  receipt.time = clock_.now();
  receipt.reason = bad.reason;
  receipt.status = bad.status;
  receipts_.push_back(std::move(receipt));
}

void Batch::read_entry(const git::TreeEntry& entry) {
  const std::optional<proto::StateName> name = proto::parse_state_name(entry.name);
  if (entry.mode != git::kModeFile || !name || name->state != "RQ")
    return refuse({"", quoted(entry.name.substr(0, 300)) + " is no request file", 0});
  if (repository_.object_bytes(entry.oid) > proto::kMaxRequestBytes)
    return refuse({"", quoted(entry.name) + " is too large", 0});
  const std::string text = repository_.blob(entry.oid, proto::kMaxRequestBytes);
  auto judged = judge_request(entry.name, text, client_);
  if (const auto* bad = std::get_if<BadRequest>(&judged)) return refuse(*bad);
  auto& request = std::get<proto::Request>(judged);
  if (!rules_.may_ask(user_, client_))
    return refuse(
        {request.id, "user " + quoted(user_) + " may not ask for client " + quoted(client_), kExitRefused});
  bytes_ += text.size();
  mark_ = std::max(mark_, request.counter);
  requests_.push_back(std::move(request));
  if (requests_.size() >= kMaxRequests || bytes_ >= kMaxBytes) flush();
}

void Batch::read(const git::Oid& oid, const std::string& user) {
  const std::string& by = user.empty() ? client_ : user;
  if (by != user_) {
    flush();
    user_ = by;
  }
  const git::Commit commit = repository_.commit(oid);
  for (const git::TreeEntry& entry : repository_.tree(commit.tree)) read_entry(entry);
  if (const std::optional<git::Oid> seen = confirmed_receipts(commit.message)) confirmed_.push_back(*seen);
  last_ = oid;
  if (++commits_ >= kMaxCommits) flush();
}

// A known id is answered with what became of it, so that a rolled-back client learns where it stands.
void Batch::add(const std::vector<proto::Request>& requests) {
  const Timestamp now = clock_.now();
  const std::vector<Added> answers = todo_.add_all(client_, requests, user_, now);
  for (std::size_t i = 0; i < requests.size(); ++i) {
    if (answers[i] == Added::AlreadyThere) {
      repeated_.push_back(requests[i].id);
      ++report_.repeated;
      continue;
    }
    if (answers[i] == Added::Full) {
      refuse({requests[i].id, "too many requests of this client wait on the server; ask again later",
              kExitTryLater});
      continue;
    }
    ++report_.added;
    proto::Receipt receipt;
    receipt.id = requests[i].id;
    receipt.outcome = proto::Outcome::Taken;
    receipt.time = now;
    receipts_.push_back(std::move(receipt));
  }
}

void Batch::flush() {
  if (!requests_.empty()) add(requests_);
  crash_point("ingest.todo");
  ReceiptBranch branch(repository_);
  for (const git::Oid& commit : confirmed_) branch.confirm(commit);
  const std::vector<std::optional<proto::Receipt>> known = todo_.answers(client_, repeated_);
  for (std::size_t i = 0; i < known.size(); ++i) {
    if (known[i] && !branch.has(repeated_[i])) branch.put(*known[i]);
  }
  for (const proto::Receipt& receipt : receipts_) branch.put(receipt);
  branch.raise_mark(mark_);
  branch.commit(clock_.now().seconds);
  crash_point("ingest.receipts");
  if (last_) write_cursor(repository_.path(), *last_);
  crash_point("ingest.cursor");
  requests_.clear();
  receipts_.clear();
  repeated_.clear();
  confirmed_.clear();
  bytes_ = commits_ = 0;
}

}  // namespace bk::server
