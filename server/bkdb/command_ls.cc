#include "server/bkdb/commands.h"
#include "server/bkdb/json.h"

#include <unistd.h>

namespace bk::bkdb {
namespace {

// By clients of which it is counted: those with a quota.
std::map<std::string, std::uint64_t> used_bytes(Session& session) {
  std::map<std::string, std::uint64_t> out;
  for (const Source& source : session.sources()) {
    if (out.contains(source.client)) continue;
    if (const auto used = store::Store::usage(session.store_directory(), source.client))
      out.emplace(source.client, *used);
  }
  return out;
}

}  // namespace

int run_ls(Session& session, const Words& words) {
  const std::vector<Selected> selected = session.select(words, Session::Default::All);
  const std::string& base = session.place().base_path;
  if (session.json()) {
    print(ls_json(session.sources(), selected, base, used_bytes(session)));
    return 0;
  }
  print(
      layout(session.sources(), selected, {shown_path(base), session.zone(), ::isatty(STDOUT_FILENO) == 1}));
  return 0;
}

}  // namespace bk::bkdb
