// Lines at the bottom of a terminal that are written again in place; on anything else, nothing.
//
// The cursor rests at the beginning of the first of them, so that a line which another process writes there
// stands above them, once they are written again.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace bk {

class Screen {
 public:
  explicit Screen(int fd);
  ~Screen();  // takes them away
  Screen(const Screen&) = delete;
  Screen& operator=(const Screen&) = delete;
  [[nodiscard]] bool on() const { return terminal_; }
  // In place of what was shown; each fitted to the terminal's width.  Text without control bytes.
  void show(const std::vector<std::string>& lines);

 private:
  int fd_;
  bool terminal_, shown_ = false;
};

// A line "WHAT: NUMBERS" in at most `columns` characters of UTF-8.  What stands before the last ": " is cut
// in its middle; the numbers are told in shorter words, and cut only when they alone are too long.  Pure.
[[nodiscard]] std::string fitted(const std::string& line, std::size_t columns);

// To be written before a line when `fd` is a terminal: what was there is wiped out.
[[nodiscard]] std::string line_wiper(int fd);

}  // namespace bk
