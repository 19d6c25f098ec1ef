// What mariadb-dump (mysqldump) prints for one database, cut into a file for each table, so that what did not
// change stays as it is.
//
//   1-begin.sql          settings of the session, sequences
//   2-<table>.sql        structure, rows and triggers of one table, or the place holder of a view
//   3-end.sql            events, routines, views, the trailer
//
// The files in the order of their names are the dump again: `cat *.sql`.  Rows stand on lines of their own,
// several in a statement; where a statement ends is decided by the row itself, so a changed row changes
// nothing behind it.  Expects --skip-extended-insert and --hex-blob.  Memory is bounded whatever a row's
// length.
#pragma once

#include "common/io/fd.h"

#include <cstdint>
#include <string>
#include <string_view>

namespace bk::client {

class SqlSplit {
 public:
  // Files are made in `folder`, which is empty.
  explicit SqlSplit(std::string folder);
  // The next piece of the output.  Throws Io.
  void add(std::string_view bytes);
  // The end of the output.  Throws Io when its last line is not "-- Dump completed": it was cut.
  void finish();
  [[nodiscard]] std::uint64_t rows() const { return rows_; }

  // The file name of a table: letters, digits, '_', '-' as they are, other bytes as %XX.
  [[nodiscard]] static std::string file_name(std::string_view table);

 private:
  void line(std::string_view text);  // a whole line, without its newline
  void begin_long();                 // line_ is longer than kHead and its end is not there
  void more_of_row(std::string_view text);
  void end_of_row();
  [[nodiscard]] bool begin_row(std::string_view text);  // true when it is one; writes what comes before it
  void close_statement();
  void marker(std::string_view text);
  void to_file(const std::string& name);
  void put(std::string_view bytes);
  void flush();

  std::string folder_, file_;
  Fd fd_;
  std::string buffer_;
  std::string line_;     // what has come of the current line
  bool long_ = false;    // the line is passed on as it comes
  bool in_row_ = false;  // … and is a row
  std::string held_;     // of a row: its last byte, which may be the statement's ';'
  std::uint64_t hash_ = 0;
  std::string statement_;  // "INSERT INTO `t` VALUES (" of the open statement, or empty
  std::uint64_t statement_bytes_ = 0;
  bool rule_ = false;  // a lone "--" was held back
  bool body_ = false;  // between DELIMITER ;; and DELIMITER ;
  bool end_ = false;   // 3-end.sql has begun
  std::string last_line_;
  std::uint64_t rows_ = 0;
};

}  // namespace bk::client
