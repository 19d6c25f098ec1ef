#include "server/bkdb/command_whole.h"

#include "common/error/error.h"
#include "common/restore/whole_rows.h"
#include "server/bkdb/session.h"

#include <fmt/format.h>

namespace bk::bkdb {

int run_whole(const std::vector<std::string>& words) {
  if (words.size() != 1)
    throw Error(Kind::Usage, "whole: say `bkdb whole FOLDER`, where a dump was restored");
  print(fmt::format("{} files of rows made whole\n", make_rows_whole(words.front())));
  return kExitDone;
}

}  // namespace bk::bkdb
