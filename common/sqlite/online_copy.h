// A copy of a live SQLite database as it was at one moment, whatever its journal and whoever writes.
#pragma once

#include <chrono>
#include <string>
#include <vector>

namespace bk::sqlite {

// The file begins as an SQLite database does.  Throws Io when it cannot be read.
[[nodiscard]] bool is_database(const std::string& path);

// Copies `from` into the new file `to` (0600) by SQLite's backup interface in one step, so that a writer can
// neither tear the copy nor make it begin again for ever.  `from` is opened for reading only; in rollback
// mode its writers wait meanwhile.  Not durable.  Throws Transient (locked for longer than `wait`), Corrupt
// (it is no database, or damaged), Io (also: it holds a change that was cut short and that only its owner may
// undo). Then `to` is not whole.
void copy_database(const std::string& from, const std::string& to, std::chrono::milliseconds wait);

// What SQLite finds wrong in a file that nobody writes (PRAGMA integrity_check); at most ten lines, empty: it
// is sound.  The file does not change and nothing appears beside it.
[[nodiscard]] std::vector<std::string> check_database(const std::string& path);

}  // namespace bk::sqlite
