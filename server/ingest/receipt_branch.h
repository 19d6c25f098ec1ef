// refs/heads/receipts in memory: what it holds, what it should hold, one commit to get there.
//
// The caller holds <repository>/backline/lock from construction to commit().
#pragma once

#include "common/git/repository.h"
#include "proto/receipt/receipt.h"

#include <cstdint>
#include <map>
#include <optional>
#include <string>

namespace bk::server {

inline constexpr const char* kRequestsRef = "refs/heads/requests";
inline constexpr const char* kReceiptsRef = "refs/heads/receipts";

// "bk-mark 1": the highest counter seen.  parse_mark throws Protocol.
[[nodiscard]] std::string write_mark(std::uint64_t counter);
[[nodiscard]] std::uint64_t parse_mark(std::string_view text);

class ReceiptBranch {
 public:
  // A branch that cannot be read (a power cut) counts as empty: clients whose receipts were lost with it push
  // again and are answered again.
  explicit ReceiptBranch(git::Repository& repository);

  [[nodiscard]] bool has(const std::string& id) const { return entries_.contains(id); }
  [[nodiscard]] bool empty() const { return entries_.empty(); }  // but for the mark
  [[nodiscard]] std::optional<git::Oid> tip() const { return tip_; }

  // A final outcome replaces `taken`; `taken` never replaces a final one.
  void put(const proto::Receipt& receipt);
  // Drops what is still the same in that commit.  An unknown commit confirms nothing.
  void confirm(const git::Oid& commit);
  void raise_mark(std::uint64_t counter);
  // Durable when it returns.  No change: no commit.
  void commit(std::int64_t seconds);
  // The same content in a commit without parents.
  void restart(std::int64_t seconds);

 private:
  void load(const git::Oid& tip);
  [[nodiscard]] bool is_final(const git::Oid& blob) const;
  void write(const std::vector<git::Oid>& parents, std::string_view message, std::int64_t seconds);

  git::Repository& repository_;
  std::optional<git::Oid> tip_;
  std::map<std::string, git::Oid> entries_;  // by request id
  std::uint64_t mark_ = 0;
  bool changed_ = false;
};

}  // namespace bk::server
