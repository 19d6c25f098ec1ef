#include "server/bkdb/commands.h"
#include "server/bkdb/json.h"

#include <unistd.h>

namespace bk::bkdb {

int run_ls(Session& session, const Words& words) {
  const std::vector<Selected> selected = session.select(words, Session::Default::All);
  const std::string& base = session.place().base_path;
  if (session.json()) {
    print(ls_json(session.sources(), selected, base));
    return 0;
  }
  print(
      layout(session.sources(), selected, {shown_path(base), session.zone(), ::isatty(STDOUT_FILENO) == 1}));
  return 0;
}

}  // namespace bk::bkdb
