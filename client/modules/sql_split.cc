#include "client/modules/sql_split.h"

#include "common/digest/sha256.h"
#include "common/error/error.h"
#include "common/io/file.h"
#include "common/text/escape.h"

#include <fcntl.h>

#include <algorithm>
#include <cctype>

namespace bk::client {
namespace {

constexpr std::size_t kHead = 1U << 20U;  // what is looked at of a line; no list of columns is longer
constexpr std::size_t kBuffer = 1U << 18U;
constexpr std::uint64_t kStatement = 512U << 10U;  // below any server's max_allowed_packet
constexpr std::uint64_t kRowsMask = 63;            // 64 rows in a statement on average

constexpr std::string_view kInsert = "INSERT INTO `";
constexpr std::string_view kValues = " VALUES ";

// Where the first row's '(' stands in "INSERT INTO `t` (`a`,`b`) VALUES (…"; 0: it is no such line.
std::size_t row_in(std::string_view text) {
  if (!text.starts_with(kInsert)) return 0;
  bool quoted_name = true;
  for (std::size_t i = kInsert.size(); i < text.size(); ++i) {
    if (text[i] == '`') {
      quoted_name = !quoted_name;  // a doubled one ends the name and begins it again
    } else if (!quoted_name && text[i] == kValues.front()) {
      const std::string_view rest = text.substr(i);
      if (rest.starts_with(kValues))
        return rest.substr(kValues.size()).starts_with("(") ? i + kValues.size() : 0;
    }
  }
  return 0;
}

// The name in "-- Table structure for table `x`".
std::string name_in(std::string_view text) {
  const std::size_t begin = text.find('`');
  const std::size_t end = text.rfind('`');
  if (begin == std::string_view::npos || end <= begin) return {};
  return std::string(text.substr(begin + 1, end - begin - 1));
}

bool begins_table(std::string_view text) {
  return text.starts_with("-- Table structure for table `") ||
         text.starts_with("-- Temporary table structure for view `") ||
         text.starts_with("-- Temporary view structure for view `");
}

bool begins_end(std::string_view text) {
  for (const std::string_view word : {"-- Dumping events for database", "-- Dumping routines for database",
                                      "-- Final view structure for view", "-- Dump completed"}) {
    if (text.starts_with(word)) return true;
  }
  return false;
}

}  // namespace

SqlSplit::SqlSplit(std::string folder) : folder_(std::move(folder)) { to_file("1-begin.sql"); }

std::string SqlSplit::file_name(std::string_view table) {
  std::string out = "2-";
  for (const char c : table) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte < 128 && std::isalnum(byte) != 0) || c == '_' || c == '-') {
      out += c;
    } else {
      out += "%" + hex_encode(std::string_view(&c, 1));
    }
  }
  if (out.size() > 240) out = "2-~" + Sha256::of(table).hex();
  return out + ".sql";
}

void SqlSplit::add(std::string_view bytes) {
  while (!bytes.empty()) {
    const std::size_t newline = bytes.find('\n');
    const std::string_view piece = bytes.substr(0, newline);
    bytes.remove_prefix(newline == std::string_view::npos ? bytes.size() : newline + 1);
    if (long_) {
      in_row_ ? more_of_row(piece) : put(piece);
    } else {
      line_ += piece;
      if (newline == std::string_view::npos && line_.size() > kHead) begin_long();
    }
    if (newline == std::string_view::npos) return;
    if (long_) {
      if (in_row_) {
        end_of_row();
      } else {
        put("\n");
      }
      long_ = false;
      last_line_.clear();
    } else {
      line(line_);
    }
    line_.clear();
  }
}

void SqlSplit::begin_long() {
  long_ = true;
  in_row_ = begin_row(line_);
  if (!in_row_) put(line_);
  line_.clear();
}

void SqlSplit::line(std::string_view text) {
  if (begin_row(text)) {
    end_of_row();
    last_line_.clear();
    return;
  }
  if (text.starts_with("DELIMITER ")) body_ = text != "DELIMITER ;";
  if (!body_ && text == "--" && !rule_) {
    close_statement();
    rule_ = true;  // it may be the head of the next file
    return;
  }
  if (!body_ && rule_) marker(text);
  close_statement();
  if (rule_) put("--\n");
  rule_ = false;
  put(text);
  put("\n");
  if (!text.empty()) last_line_ = text.substr(0, 256);
}

void SqlSplit::marker(std::string_view text) {
  if (end_) return;
  if (begins_end(text)) {
    end_ = true;
    to_file("3-end.sql");
  } else if (begins_table(text)) {
    to_file(file_name(name_in(text)));
  }
}

bool SqlSplit::begin_row(std::string_view text) {
  const std::size_t at = row_in(text);
  if (at == 0) return false;
  if (rule_) {
    close_statement();
    put("--\n");
    rule_ = false;
  }
  const std::string_view head = text.substr(0, at);
  if (statement_ == head) {
    put(",\n");
  } else {
    close_statement();
    statement_ = head;
    statement_bytes_ = 0;
    put(head);
    put("\n");
  }
  hash_ = 14695981039346656037U;
  held_.clear();
  more_of_row(text.substr(at));
  return true;
}

void SqlSplit::more_of_row(std::string_view text) {
  if (text.empty()) return;
  put(held_);
  put(text.substr(0, text.size() - 1));
  held_ = text.back();
  statement_bytes_ += text.size();
  for (const char c : text) hash_ = (hash_ ^ static_cast<unsigned char>(c)) * 1099511628211U;  // FNV-1a
}

void SqlSplit::end_of_row() {
  if (held_ != ";") throw Error(Kind::Protocol, "a row of the dump does not end with \";\"");
  ++rows_;
  if (((hash_ >> 20U) & kRowsMask) == 0 || statement_bytes_ > kStatement) close_statement();
}

void SqlSplit::close_statement() {
  if (statement_.empty()) return;
  statement_.clear();
  put(";\n");
}

void SqlSplit::to_file(const std::string& name) {
  close_statement();
  flush();
  file_ = join_path(folder_, name);
  fd_ = open_file(file_, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW, 0600);
}

void SqlSplit::put(std::string_view bytes) {
  if (buffer_.size() + bytes.size() > kBuffer) flush();
  if (bytes.size() > kBuffer) {
    write_all(fd_.get(), bytes);
  } else {
    buffer_ += bytes;
  }
}

void SqlSplit::flush() {
  if (!buffer_.empty()) write_all(fd_.get(), buffer_);
  buffer_.clear();
}

void SqlSplit::finish() {
  if (!line_.empty()) line(line_);
  close_statement();
  flush();
  if (long_ || !end_ || !last_line_.starts_with("-- Dump completed"))
    throw Error(Kind::Io, "the dump does not end with \"-- Dump completed\": it was cut");
}

}  // namespace bk::client
