// From a control repository to the work list: DESIGN 3 step 4, docs/protocol/control.md.
#pragma once

#include "common/time/time.h"

#include <cstddef>
#include <string>
#include <vector>

namespace bk::server {

struct IngestReport {
  std::size_t commits = 0;
  std::size_t added = 0;             // new in TODO, or joined to a waiting one
  std::size_t repeated = 0;          // known ids, answered again
  std::size_t refused = 0;           // receipts that say why
  bool set_back = false;             // the tip could not be read: the client will push again
  std::vector<std::string> notices;  // one line each, for people
};

// Ingests everything new in one control repository.  When it returns, every accepted request is durable in
// TODO and its `taken` on the receipts branch, in that order (I1).  A bad request gets a receipt and holds up
// nobody.  Repeating it is harmless; it waits for another one on the same repository.  Errors: Io, Transient,
// Config.
[[nodiscard]] IngestReport ingest(const std::string& home, const std::string& repository, const Clock& clock);

// ingest() for every control repository below <home>/repositories; an error of one goes to `problems`, one
// line, and the others go on.
[[nodiscard]] IngestReport ingest_all(const std::string& home, const Clock& clock,
                                      std::vector<std::string>& problems);

}  // namespace bk::server
