#include "server/ingest/receipt_branch.h"

#include "common/error/error.h"
#include "common/text/document.h"
#include "proto/request/request.h"

namespace bk::server {
namespace {

constexpr const char* kMark = "mark";
constexpr std::size_t kMaxMarkBytes = 4096;

}  // namespace

std::string write_mark(std::uint64_t counter) {
  return Document("bk-mark", 1).add("counter", counter).write();
}

std::uint64_t parse_mark(std::string_view text) {
  const Document document = Document::parse(text, "bk-mark");
  document.allow_only({"counter"});
  return document.get_number("counter");
}

ReceiptBranch::ReceiptBranch(git::Repository& repository) : repository_(repository) {
  try {
    tip_ = repository_.ref(kReceiptsRef);
    if (tip_) load(*tip_);
  } catch (const Error& error) {
    if (error.kind() != Kind::Corrupt && error.kind() != Kind::Protocol) throw;
    repository_.delete_ref(kReceiptsRef);
    tip_.reset();
    entries_.clear();
  }
}

void ReceiptBranch::load(const git::Oid& tip) {
  for (const git::TreeEntry& entry : repository_.tree(repository_.commit(tip).tree)) {
    if (entry.name == kMark) {
      mark_ = parse_mark(repository_.blob(entry.oid, kMaxMarkBytes));
    } else if (proto::is_request_id(entry.name)) {
      entries_[entry.name] = entry.oid;
    }
  }
}

bool ReceiptBranch::is_final(const git::Oid& blob) const {
  try {
    return proto::is_final(proto::parse_receipt(repository_.blob(blob, proto::kMaxReceiptBytes)).outcome);
  } catch (const Error& error) {
    if (error.kind() != Kind::Corrupt && error.kind() != Kind::Protocol) throw;
    return false;
  }
}

void ReceiptBranch::put(const proto::Receipt& receipt) {
  const auto at = entries_.find(receipt.id);
  if (at != entries_.end() && !proto::is_final(receipt.outcome) && is_final(at->second)) return;
  const git::Oid blob = repository_.write_blob(proto::write_receipt(receipt));
  if (at != entries_.end() && at->second == blob) return;
  entries_[receipt.id] = blob;
  changed_ = true;
}

void ReceiptBranch::confirm(const git::Oid& commit) {
  try {
    for (const git::TreeEntry& entry : repository_.tree(repository_.commit(commit).tree)) {
      const auto at = entries_.find(entry.name);
      if (at == entries_.end() || at->second != entry.oid) continue;
      entries_.erase(at);
      changed_ = true;
    }
  } catch (const Error& error) {
    if (error.kind() != Kind::Corrupt) throw;
  }
}

void ReceiptBranch::raise_mark(std::uint64_t counter) {
  if (counter <= mark_) return;
  mark_ = counter;
  changed_ = true;
}

void ReceiptBranch::write(const std::vector<git::Oid>& parents, std::string_view message,
                          std::int64_t seconds) {
  std::vector<git::TreeEntry> tree{{kMark, git::kModeFile, repository_.write_blob(write_mark(mark_))}};
  for (const auto& [id, blob] : entries_) tree.push_back({id, git::kModeFile, blob});
  const git::Oid commit = repository_.write_commit(repository_.write_tree(tree), parents,
                                                   {"Backline", "backline@localhost", seconds}, message);
  if (!repository_.set_ref(kReceiptsRef, commit, tip_))
    throw Error(Kind::Transient, "refs/heads/receipts was moved by somebody else; run it again");
  tip_ = commit;
  changed_ = false;
}

void ReceiptBranch::commit(std::int64_t seconds) {
  if (!changed_) return;
  write(tip_ ? std::vector<git::Oid>{*tip_} : std::vector<git::Oid>{},
        "receipts: " + std::to_string(entries_.size()) + "\n", seconds);
}

void ReceiptBranch::restart(std::int64_t seconds) { write({}, "checkpoint\n", seconds); }

}  // namespace bk::server
