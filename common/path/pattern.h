// Patterns of what a tree's backup leaves out: "*.o", "cache/", "build/**", "core.[0-9]*"; and the tag of
// caches.
#pragma once

#include <bitset>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

namespace bk {

// The Cache Directory Tagging Specification (bford.info/cachedir): a regular file of this name that begins
// so.
inline constexpr std::string_view kCacheTag = "CACHEDIR.TAG";
inline constexpr std::string_view kCacheSignature = "Signature: 8a477f597d28d172789f06886806bc55";

// One pattern, taken apart once.  '*' and '?' stand for bytes other than '/', "**" for any bytes, "[a-z]" for
// one of these bytes and "[!a-z]" for another one (never '/'), '\' makes the next byte literal; a '[' without
// its ']' is literal.
class Glob {
 public:
  explicit Glob(std::string_view pattern);
  // True when all of `text` matches.  Time is bounded by the product of both lengths; a pattern without a
  // wildcard, or with a single '*' at its beginning or end, costs a comparison.
  [[nodiscard]] bool matches(std::string_view text) const;
  // The text, when there is no wildcard at all.
  [[nodiscard]] bool is_literal() const { return shape_ == Shape::Literal; }
  [[nodiscard]] const std::string& literal() const { return literal_; }

 private:
  enum class Shape { Literal, Suffix, Prefix, General } shape_ = Shape::General;
  struct Token {
    enum class Kind { Byte, Class, AnyName, AnyPath } kind = Kind::Byte;
    char byte = 0;
    std::bitset<256> bytes;
  };
  void add_class(std::string_view content);
  void find_shape();
  [[nodiscard]] bool matches_tokens(std::string_view text) const;
  std::vector<Token> tokens_;
  std::string literal_;
};

class Patterns {
 public:
  Patterns() = default;
  // A pattern without '/' (but at its end) is for names, one with '/' for paths below the root.  One that
  // ends in '/' is for directories only.
  explicit Patterns(const std::vector<std::string>& patterns);
  // `path` is the entry's path below the root; its name is what follows the last '/'.
  [[nodiscard]] bool match(std::string_view path, bool is_directory) const;
  [[nodiscard]] bool empty() const { return names_.empty() && rules_.empty(); }

 private:
  struct Rule {
    Glob glob;
    bool whole_path = false, directories_only = false;
  };
  std::unordered_set<std::string> names_;  // literal names, of anything
  std::vector<Rule> rules_;
  mutable std::string key_;
};

}  // namespace bk
