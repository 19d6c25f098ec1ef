// bkdb whole: files of rows in a restored dump made whole (common/restore/whole_rows.h); needs no store.
#pragma once

#include <string>
#include <vector>

namespace bk::bkdb {

int run_whole(const std::vector<std::string>& words);

}  // namespace bk::bkdb
