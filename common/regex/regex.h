// Regular expressions that an administrator writes, matched against names that strangers choose.
//
// The notation is that of Python's `re` (groups, (?P<name>…), look-around, back references, \d \w \s \b \A
// \Z, {n,m}); matching is by PCRE2 on bytes.  What differs from Python: a pattern must match the whole name,
// a POSIX class such as [[:alpha:]] is one, and a match that takes more than kMaxSteps steps ends as Spent,
// so that no pattern and no name can hold the caller up.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace bk {

inline constexpr std::size_t kMaxPatternBytes = 1000;
inline constexpr std::uint32_t kMaxSteps = 50000;  // under 5 ms

class Regex {
 public:
  // Nothing when the pattern cannot be used; `problem` says why and where.
  [[nodiscard]] static std::optional<Regex> compile(std::string_view pattern, std::string& problem);

  enum class Answer { No, Yes, Spent };
  [[nodiscard]] Answer match(std::string_view name) const;

 private:
  struct Code;
  explicit Regex(std::shared_ptr<const Code> code) : code_(std::move(code)) {}
  std::shared_ptr<const Code> code_;  // shared, because it never changes: copies are cheap
};

}  // namespace bk
