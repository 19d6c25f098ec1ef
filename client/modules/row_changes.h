// A dump's file of rows, one a line, kept as an older state of it and what changed since.
//
//   NAME.rows    an older state of NAME, as it was then
//   NAME.gone    the numbers of its lines that are no rows any more, from 1, ascending, one a line
//   NAME.more    the rows that came, as they stand in NAME
//   NAME.head    what NAME begins with; for statements its last line begins each of them
//   NAME.foot    what NAME ends with
//   NAME.sum     the SHA-256 of the NAME that is made of them
//
// bkdb whole and restore_it whole make NAME of them again (common/restore/whole_rows.h): the rows are the
// same, their order is not: for COPY and INSERT that makes no difference.  The store keeps pieces of 8 KiB:
// where one row in a hundred changed, nearly every piece did, and a whole file would be stored anew for 1 %
// of it.
#pragma once

#include "client/modules/spool.h"

#include <string>

namespace bk::client {

// How rows stand in a file.
enum class RowForm {
  Copy,    // PostgreSQL's COPY: lines, until one that is "\."
  Insert,  // SqlSplit's: "INSERT INTO … VALUES ", then "(…)," and at a statement's end "(…);"
};

// Puts those files in the place of the new dump's file `relative`, when that is much smaller than what the
// store would take of it; true then.  Not below 1 MiB, not when the changes lie in few places, and not when
// more than a fifth of the rows changed since the older state: then the file stays, and is the next older
// state.  What is put there has been put together again, and holds each row as often as the dump's file; else
// the file stays.  An older state that somebody changed or a crash left costs room, never a row: it is read
// anew each time.  Memory: 36 MiB whatever the sizes; room beside the dump for 24 bytes a row, and for the
// time being for the file.  Throws Io.
[[nodiscard]] bool keep_changes(Spool& spool, const std::string& relative, RowForm form);

}  // namespace bk::client
