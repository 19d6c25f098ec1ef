// What `bkdb ls` prints (F004-10 and F004-11).  Pure: the text for a given choice of snapshots.
//
//   Base path: "/srv/backupsrv/data/web1/sftp"
//   * [0] /home/services/trac
//   [0] /home/services/trac:
//   <TAB>2013-09-05 01:35:30 [0]<TAB><TAB>…
//   <empty line>
//
// All sources are titled first, also those that are not selected.  A block's cells stand in three columns,
// filled column by column.  A selected source without a matching snapshot has only its "[i] path:" line.
#pragma once

#include "server/bkdb/sources.h"
#include "server/bkdb/zone.h"

#include <cstddef>
#include <string>
#include <vector>

namespace bk::bkdb {

// One selected source and its chosen snapshots, in the order in which they are shown.
struct Selected {
  std::size_t source = 0;              // position in the list of sources
  std::vector<std::size_t> snapshots;  // positions in that source's snapshots
};

struct LayoutOptions {
  std::string base_path;
  Zone zone = Zone::Utc;
  bool colours = false;  // on a terminal
};

[[nodiscard]] std::string layout(const std::vector<Source>& sources, const std::vector<Selected>& selected,
                                 const LayoutOptions& options);

// The path, and behind it "  (client, method, module)" when the sources differ in any of these.
[[nodiscard]] std::string source_label(const std::vector<Source>& sources, std::size_t at);

}  // namespace bk::bkdb
