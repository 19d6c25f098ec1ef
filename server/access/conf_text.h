// gitosis.conf and backline.conf as text that people edit: single sections and keys change, every other byte
// stays.  Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace bk::server {

class ConfText {
 public:
  explicit ConfText(std::string_view text);
  [[nodiscard]] std::string text() const;

  // Names of the sections "[NAME]", in order.
  [[nodiscard]] std::vector<std::string> sections() const;
  [[nodiscard]] bool has(std::string_view section) const;
  // Lines below the head of [section], without comments and blank ones, stripped.
  [[nodiscard]] std::vector<std::string> body(std::string_view section) const;

  // At the end, behind a blank line.  `head` is the whole first line.
  void append(std::string_view head, const std::vector<std::string>& lines);
  // Sets KEY = VALUE in [section], which is there: in place of its line, or as a new one below the head.
  void set(std::string_view section, std::string_view key, std::string_view value);
  // The head and all up to the next one, without the comments that stand above that.
  void remove(std::string_view section);
  void retitle(std::string_view section, std::string_view to);
  // Every word `from` of values (behind '=', of continued lines too) becomes `to`.  Comments stay.
  void replace_word(std::string_view from, std::string_view to);
  // The same for a line "repo FROM" of gitosis's later grammar.
  void replace_line(std::string_view from, std::string_view to);
  // Numbers, from 1, of the lines in which the word stands, comments left out.
  [[nodiscard]] std::vector<int> lines_with(std::string_view word) const;

 private:
  [[nodiscard]] std::optional<std::size_t> head_of(std::string_view section) const;
  [[nodiscard]] std::size_t end_of(std::size_t head) const;
  std::vector<std::string> lines_;
};

}  // namespace bk::server
