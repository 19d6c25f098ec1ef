// Patterns of what is left out: "*.o", "cache/", "build/**".
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace bk::agent {

// True when all of `text` matches: '*' and '?' stand for bytes other than '/', "**" for any bytes, '\' makes
// the next byte literal.  Time is bounded by the product of both lengths.
[[nodiscard]] bool glob_matches(std::string_view pattern, std::string_view text);

class Patterns {
 public:
  Patterns() = default;
  explicit Patterns(const std::vector<std::string>& patterns);
  // `path` is the entry's path below the root; its name is what follows the last '/'.
  [[nodiscard]] bool match(std::string_view path) const;
  [[nodiscard]] bool empty() const { return by_name_.empty() && by_path_.empty(); }

 private:
  std::vector<std::string> by_name_, by_path_;
};

}  // namespace bk::agent
