#include "client/control/mirror.h"

#include "common/error/error.h"
#include "common/io/crash.h"
#include "common/io/file.h"
#include "common/text/escape.h"

#include <chrono>
#include <ctime>

namespace bk::client {
namespace {

constexpr const char* kRequests = "refs/heads/requests";
constexpr const char* kReceipts = "refs/heads/receipts";
// Ours alone: what the far side showed last (so that it sends only what is new), and what goes out.
constexpr const char* kSeenRequests = "refs/backline/requests";
constexpr const char* kSeenReceipts = "refs/backline/receipts";
constexpr const char* kOutgoing = "refs/backline/outgoing";

constexpr std::size_t kMaxReceipts = 1000000;
constexpr std::size_t kMaxLoose = 6000;
constexpr std::size_t kMaxPacks = 200;

ssh::Endpoint endpoint_of(const ControlTarget& target) {
  ssh::Endpoint out;
  out.address = ssh::parse_url(target.url);
  out.host_key = target.host_key;
  out.identity_file = target.identity;
  out.mark_file = target.mark_file;
  out.idle_timeout = target.timeout;
  out.connect_timeout = std::min(out.connect_timeout, target.timeout);
  return out;
}

git::RemoteLimits limits_of(const ControlTarget& target) {
  git::RemoteLimits out;
  out.idle = target.timeout;
  out.total = target.timeout * 10;
  return out;
}

// Damage to what we hold, which a new repository cures; not a full disk, not the line.
bool is_damage(const Error& error) { return error.kind() == Kind::Corrupt; }

}  // namespace

Mirror::Mirror(const ControlTarget& target)
    : path_(target.repository), remote_(endpoint_of(target), limits_of(target)) {
  client_ = client_of(ssh::parse_url(target.url).path);
}

git::Repository& Mirror::repository() {
  if (repository_) return *repository_;
  ensure_directory(parent_of(path_));
  if (path_exists(path_) && outgrown()) forget();
  try {
    git::Repository::init(path_, kRequests);
    return repository_.emplace(path_);
  } catch (const Error& error) {
    if (!is_damage(error)) throw;
  }
  forget();
  git::Repository::init(path_, kRequests);
  return repository_.emplace(path_);
}

// What cannot even be looked at is damage, too.
bool Mirror::outgrown() const {
  try {
    const git::Repository there(path_);
    return there.loose_objects() > kMaxLoose || there.packs() > kMaxPacks;
  } catch (const Error&) {
    return true;
  }
}

void Mirror::forget() {
  repository_.reset();
  remove_tree(path_);
  crash_point("control.forgotten");
}

void Mirror::track(const char* ref, const std::optional<git::Oid>& to) {
  git::Repository& ours = repository();
  std::optional<git::Oid> now;
  try {
    now = ours.ref(ref);
  } catch (const Error& error) {
    if (!is_damage(error)) throw;  // an empty ref file is replaced below
  }
  if (now == to && to) return;
  if (to) {
    ours.force_ref(ref, *to);
  } else {
    ours.delete_ref(ref);
  }
}

Incoming Mirror::fetch() {
  try {
    return fetch_once();
  } catch (const Error& error) {
    if (!is_damage(error)) throw;
  }
  forget();
  try {
    return fetch_once();
  } catch (Error& error) {
    // A new repository shows the same: it is the far side's that is damaged.  It repairs itself (ingest).
    if (!is_damage(error)) throw;
    throw Error(Kind::Transient, std::string("the server's control repository is damaged: ") + error.what());
  }
}

Incoming Mirror::fetch_once() {
  const auto refs = remote_.fetch(repository(), {kRequests, kReceipts});
  const auto tip = [&](const char* name) -> std::optional<git::Oid> {
    const auto at = refs.find(name);
    if (at == refs.end()) return std::nullopt;
    return at->second;
  };
  Incoming out;
  out.requests = tip(kRequests);
  out.receipts = tip(kReceipts);
  if (out.requests) (void)repository().commit(*out.requests);  // what we build on must be whole
  read_receipts(out);
  track(kSeenRequests, out.requests);
  track(kSeenReceipts, out.receipts);
  crash_point("control.fetched");
  return out;
}

void Mirror::read_receipts(Incoming& into) {
  if (!into.receipts) return;
  const git::Repository& ours = repository();
  for (const git::TreeEntry& entry : ours.tree(ours.commit(*into.receipts).tree, kMaxReceipts)) {
    try {
      const std::string text = ours.blob(entry.oid, proto::kMaxReceiptBytes);
      if (entry.name == "mark") {
        into.mark = parse_mark(text);
        continue;
      }
      proto::Receipt receipt = proto::parse_receipt(text);
      if (receipt.id != entry.name) throw Error(Kind::Protocol, "speaks of another request");
      into.unconfirmed.push_back(std::move(receipt));
    } catch (const Error& error) {
      if (error.kind() != Kind::Protocol) throw;
      into.unreadable.push_back(quoted(entry.name.substr(0, 80)) + ": " + error.what());
    }
  }
}

Mirror::Pushed Mirror::push(const std::optional<git::Oid>& tip, const std::vector<OutgoingRequest>& requests,
                            const std::string& confirmed) {
  git::Repository& ours = repository();
  std::vector<git::TreeEntry> entries;
  for (const OutgoingRequest& request : requests)
    entries.push_back({request.file_name, git::kModeFile, ours.write_blob(request.text)});
  std::vector<git::Oid> parents;
  if (tip) parents.push_back(*tip);
  const git::Signature by{"backline", "backline@localhost", static_cast<std::int64_t>(std::time(nullptr))};
  Pushed out;
  out.commit = ours.write_commit(ours.write_tree(entries), parents, by,
                                 commit_message(client_, requests.size(), confirmed));
  ours.force_ref(kOutgoing, out.commit);
  crash_point("control.committed");
  out.answer = remote_.push(ours, kOutgoing, kRequests);
  crash_point("control.pushed");
  return out;
}

}  // namespace bk::client
