#include "client/modules/row_scan.h"

#include "common/restore/line_pieces.h"

namespace bk::client {
namespace {

constexpr std::size_t kHash = 16;
constexpr std::size_t kHead = 1U << 20U;  // no line that begins a statement is longer (SqlSplit)

constexpr std::string_view kCopyEnd = "\\.";
constexpr std::string_view kInsert = "INSERT INTO `";
constexpr std::string_view kValues = " VALUES ";

using Part = RowLine::Part;

}  // namespace

void RowScan::piece(std::string_view bytes, bool last) {
  open_ = true;
  if (head_.size() < kHead) head_ += bytes.substr(0, kHead - head_.size());
  size_ += bytes.size();
  if (!bytes.empty()) {
    if (held_) hasher_.update({&*held_, 1});
    hasher_.update(bytes.substr(0, bytes.size() - 1));
    held_ = bytes.back();
  }
  if (last) end_line();
}

bool RowScan::good() const {
  return good_ && !open_ && (rows_only_ || form_ == RowForm::Copy || line_.part == Part::Foot || ended_);
}

void RowScan::end_line() {
  ++line_.number;
  const Part part = judge();
  // The separator is not the row's.
  if (!(part == Part::Row && form_ == RowForm::Insert) && held_) hasher_.update({&*held_, 1});
  line_.hash = hasher_.finish().view().substr(0, kHash);
  line_.part = part;
  visit_(line_);
  head_.clear();
  size_ = 0;
  held_.reset();
  open_ = false;
}

Part RowScan::judge() {
  if (rows_only_) return Part::Row;
  if (line_.part == Part::Foot) return Part::Foot;
  if (form_ == RowForm::Copy) return head_ == kCopyEnd ? Part::Foot : Part::Row;
  return judge_statement();
}

Part RowScan::judge_statement() {
  const bool begins = size_ <= kHead && head_.starts_with(kInsert) && head_.ends_with(kValues);
  if (begin_.empty()) {
    if (begins) begin_ = head_;
    return Part::Head;
  }
  if (ended_) {  // behind a statement
    ended_ = false;
    if (!begins) return Part::Foot;
    good_ = good_ && head_ == begin_;
    return Part::Between;
  }
  good_ = good_ && size_ > 2 && head_.front() == '(' && (held_ == ',' || held_ == ';');
  ended_ = held_ == ';';
  return Part::Row;
}

bool scan_rows(const std::string& path, RowForm form, const RowScan::Visit& visit, bool rows_only) {
  RowScan scan(form, visit, rows_only);
  each_line_piece(path, [&](std::string_view piece, bool last) { scan.piece(piece, last); });
  return scan.good();
}

}  // namespace bk::client
