// The lines of a dump's file of rows: which are rows, and which are the same row.
#pragma once

#include "client/modules/row_changes.h"
#include "common/digest/sha256.h"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace bk::client {

struct RowLine {
  enum class Part {
    Head,
    Row,
    Between,  // a statement's beginning, the same as the first one
    Foot
  };
  std::uint64_t number = 0;  // from 1
  Part part = Part::Head;
  std::string hash;  // 16 bytes, of a row without the ',' or ';' behind it; of other lines of all
};

// Memory: the beginning of a line, whatever its length.
class RowScan {
 public:
  using Visit = std::function<void(const RowLine&)>;
  // `visit` is called once for each line, when it was read.  With `rows_only` the file has no other lines.
  RowScan(RowForm form, Visit visit, bool rows_only = false)
      : form_(form), visit_(std::move(visit)), rows_only_(rows_only) {}

  // The next bytes of a line without its newline; `last`: here it ends.
  void piece(std::string_view bytes, bool last);
  // Nothing more comes.  False when it is no file of rows: its last line is not whole, a statement begins in
  // another way, the rows do not end.
  [[nodiscard]] bool good() const;

 private:
  void end_line();
  RowLine::Part judge();
  RowLine::Part judge_statement();

  RowForm form_;
  Visit visit_;
  bool rows_only_;
  Sha256 hasher_;
  RowLine line_;
  std::string head_, begin_;
  std::uint64_t size_ = 0;
  std::optional<char> held_;  // the line's last byte
  bool open_ = false;         // a line has begun
  bool ended_ = false;        // the last row ended its statement
  bool good_ = true;
};

// All of a file; what good() says.  Throws Io.
[[nodiscard]] bool scan_rows(const std::string& path, RowForm form, const RowScan::Visit& visit,
                             bool rows_only = false);

}  // namespace bk::client
