// Refs of a client and of its mirror, and what must be kept before a fetch moves them.  Pure.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace bk::pull {

using Refs = std::map<std::string, std::string>;  // full name -> hex object id

struct RemoteRefs {
  Refs refs;
  std::string head;      // the branch that HEAD names, or "" when it names none
  std::string head_oid;  // where HEAD points, or "" (unborn)
  bool operator==(const RemoteRefs&) const = default;
};

// Output of `git ls-remote --symref`.  Lines that are no refs are left out.
[[nodiscard]] RemoteRefs parse_ls_remote(std::string_view text);
// Output of `git for-each-ref --format="%(objectname) %(refname)"`.
[[nodiscard]] Refs parse_for_each_ref(std::string_view text);

inline constexpr std::string_view kKeptPrefix = "refs/backline/";
[[nodiscard]] bool is_kept(std::string_view ref);
// Without the kept ones: what a fetch may move.
[[nodiscard]] Refs without_kept(const Refs& refs);

// "refs/heads/x" kept at `time` ("20260713T220409Z") -> "refs/backline/20260713T220409Z/heads/x".
[[nodiscard]] std::string kept_name(std::string_view ref, std::string_view time);

// The text of git's packed-refs file.  Throws Protocol when one name lies below another, which files cannot
// show (refs/heads/a and refs/heads/a/b): a far side that has both is not git.
[[nodiscard]] std::string packed_refs(const Refs& refs);

struct Moves {
  Refs gone;   // with their old objects
  Refs moved;  // with their old objects
  [[nodiscard]] bool empty() const { return gone.empty() && moved.empty(); }
};
// What keep_transaction() does to all refs, as the refs that are there then.
[[nodiscard]] Refs keep_in(Refs refs, const Moves& moves, std::string_view time, bool remove_gone);
[[nodiscard]] Moves compare_refs(const Refs& before, const Refs& after);

// Input for `git update-ref --stdin -z`, one transaction: keeps the old objects of `moves` at `time`, and
// removes the refs that are gone when `remove_gone` is set.
[[nodiscard]] std::string keep_transaction(const Moves& moves, std::string_view time, bool remove_gone);

}  // namespace bk::pull
