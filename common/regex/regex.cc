#define PCRE2_CODE_UNIT_WIDTH 8
#include "common/regex/regex.h"

#include "common/handle/handle.h"

#include <fmt/format.h>
#include <pcre2.h>

#include <array>

namespace bk {
namespace {

constexpr std::uint32_t kMaxDepth = 2000;
constexpr std::uint32_t kMaxHeapKib = 4096;

PCRE2_SPTR bytes_of(std::string_view text) { return reinterpret_cast<PCRE2_SPTR>(text.data()); }

// Python reads {,n} as {0,n}; PCRE2 before 10.43 takes it for text.
std::string python_notation(std::string_view pattern) {
  std::string out;
  bool in_class = false;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    const char c = pattern[i];
    out += c;
    if (c == '\\' && i + 1 < pattern.size()) {
      out += pattern[++i];
    } else if (in_class) {
      in_class = c != ']';
    } else if (c == '[') {
      in_class = true;
      if (i + 1 < pattern.size() && pattern[i + 1] == '^') out += pattern[++i];
      if (i + 1 < pattern.size() && pattern[i + 1] == ']') out += pattern[++i];
    } else if (c == '{' && i + 1 < pattern.size() && pattern[i + 1] == ',') {
      out += '0';
    }
  }
  return out;
}

std::string describe(int error, PCRE2_SIZE offset) {
  std::array<PCRE2_UCHAR, 200> text{};
  (void)pcre2_get_error_message(error, text.data(), text.size());
  return fmt::format("{} (behind byte {})", reinterpret_cast<const char*>(text.data()), offset);
}

}  // namespace

struct Regex::Code {
  Handle<pcre2_code, pcre2_code_free> code;
  Handle<pcre2_match_context, pcre2_match_context_free> limits;
};

std::optional<Regex> Regex::compile(std::string_view pattern, std::string& problem) {
  if (pattern.size() > kMaxPatternBytes) {
    problem = fmt::format("longer than {} bytes", kMaxPatternBytes);
    return std::nullopt;
  }
  const Handle<pcre2_compile_context, pcre2_compile_context_free> context(
      pcre2_compile_context_create(nullptr));
  (void)pcre2_set_parens_nest_limit(context.get(), 50);
  (void)pcre2_set_max_pattern_length(context.get(), 2 * kMaxPatternBytes);
  const std::string text = python_notation(pattern);
  constexpr std::uint32_t kOptions = PCRE2_ANCHORED | PCRE2_ENDANCHORED | PCRE2_NEVER_UTF | PCRE2_NEVER_UCP |
                                     PCRE2_NEVER_BACKSLASH_C | PCRE2_DOLLAR_ENDONLY;
  int error = 0;
  PCRE2_SIZE offset = 0;
  auto code = std::make_shared<Code>();
  code->code.reset(pcre2_compile(bytes_of(text), text.size(), kOptions, &error, &offset, context.get()));
  if (!code->code) {
    problem = describe(error, offset);
    return std::nullopt;
  }
  code->limits.reset(pcre2_match_context_create(nullptr));
  (void)pcre2_set_match_limit(code->limits.get(), kMaxSteps);
  (void)pcre2_set_depth_limit(code->limits.get(), kMaxDepth);
  (void)pcre2_set_heap_limit(code->limits.get(), kMaxHeapKib);
  return Regex(std::move(code));
}

Regex::Answer Regex::match(std::string_view name) const {
  const Handle<pcre2_match_data, pcre2_match_data_free> data(pcre2_match_data_create(1, nullptr));
  const int found =
      pcre2_match(code_->code.get(), bytes_of(name), name.size(), 0, 0, data.get(), code_->limits.get());
  if (found >= 0) return Answer::Yes;
  return found == PCRE2_ERROR_NOMATCH ? Answer::No : Answer::Spent;
}

}  // namespace bk
