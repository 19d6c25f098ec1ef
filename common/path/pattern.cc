#include "common/path/pattern.h"

#include <algorithm>
#include <utility>

namespace bk {

// One pattern.

Glob::Glob(std::string_view pattern) {
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    const char c = pattern[i];
    // "[]a]" and "[!]a]" hold a ']'.
    const std::size_t first = i + 1 + (pattern.substr(i + 1, 1) == "!" ? 1 : 0);
    const std::size_t end = c == '[' ? pattern.find(']', first + 1) : std::string_view::npos;
    if (c == '*' && pattern.substr(i + 1, 1) == "*") {
      tokens_.push_back({Token::Kind::AnyPath, 0, {}});
      ++i;
    } else if (c == '*') {
      tokens_.push_back({Token::Kind::AnyName, 0, {}});
    } else if (c == '?') {
      add_class("!");
    } else if (end != std::string_view::npos) {
      add_class(pattern.substr(i + 1, end - i - 1));
      i = end;
    } else {
      if (c == '\\' && i + 1 < pattern.size()) ++i;
      tokens_.push_back({Token::Kind::Byte, pattern[i], {}});
    }
  }
  find_shape();
}

void Glob::add_class(std::string_view content) {
  Token token{Token::Kind::Class, 0, {}};
  const bool negated = content.starts_with('!');
  if (negated) content.remove_prefix(1);
  for (std::size_t i = 0; i < content.size(); ++i) {
    const auto from = static_cast<unsigned char>(content[i]);
    auto to = from;
    if (i + 2 < content.size() && content[i + 1] == '-') to = static_cast<unsigned char>(content[i += 2]);
    for (unsigned byte = from; byte <= to; ++byte) token.bytes.set(byte);
  }
  if (negated) token.bytes.flip();
  token.bytes.reset('/');
  tokens_.push_back(token);
}

void Glob::find_shape() {
  std::size_t first = 0, last = tokens_.size();
  const auto is_star = [&](std::size_t i) { return tokens_[i].kind == Token::Kind::AnyName; };
  if (!tokens_.empty() && is_star(0)) {
    shape_ = Shape::Suffix;
    first = 1;
  } else if (!tokens_.empty() && is_star(last - 1)) {
    shape_ = Shape::Prefix;
    --last;
  } else {
    shape_ = Shape::Literal;
  }
  for (std::size_t i = first; i < last; ++i) {
    if (tokens_[i].kind != Token::Kind::Byte) {
      shape_ = Shape::General;
      return;
    }
    literal_.push_back(tokens_[i].byte);
  }
}

bool Glob::matches(std::string_view text) const {
  const auto without_slash = [](std::string_view part) { return part.find('/') == std::string_view::npos; };
  switch (shape_) {
    case Shape::Literal:
      return text == literal_;
    case Shape::Suffix:
      return text.ends_with(literal_) && without_slash(text.substr(0, text.size() - literal_.size()));
    case Shape::Prefix:
      return text.starts_with(literal_) && without_slash(text.substr(literal_.size()));
    case Shape::General:
      break;
  }
  return matches_tokens(text);
}

bool Glob::matches_tokens(std::string_view text) const {
  // reached[i]: the tokens so far match the first i bytes.
  static thread_local std::vector<char> reached, next;
  reached.assign(text.size() + 1, 0);
  reached[0] = 1;
  for (const Token& token : tokens_) {
    next.assign(text.size() + 1, 0);
    const bool star = token.kind == Token::Kind::AnyPath || token.kind == Token::Kind::AnyName;
    if (star) next[0] = reached[0];
    for (std::size_t i = 1; i <= text.size(); ++i) {
      const char c = text[i - 1];
      const bool fits = token.kind == Token::Kind::AnyPath ||
                        (token.kind == Token::Kind::AnyName && c != '/') ||
                        (token.kind == Token::Kind::Byte && c == token.byte) ||
                        (token.kind == Token::Kind::Class && token.bytes.test(static_cast<unsigned char>(c)));
      if (star && reached[i] != 0) next[i] = 1;
      if (fits && (star ? next[i - 1] : reached[i - 1]) != 0) next[i] = 1;
    }
    std::swap(reached, next);
  }
  return reached[text.size()] != 0;
}

// Many.

Patterns::Patterns(const std::vector<std::string>& patterns) {
  for (std::string pattern : patterns) {
    const bool directories_only = pattern.size() > 1 && pattern.back() == '/';
    if (directories_only) pattern.pop_back();
    const bool whole_path = pattern.find('/') != std::string::npos;
    if (whole_path && pattern.front() == '/') pattern.erase(0, 1);
    Glob glob(pattern);
    if (glob.is_literal() && !whole_path && !directories_only) {
      names_.insert(glob.literal());
    } else {
      rules_.push_back({std::move(glob), whole_path, directories_only});
    }
  }
}

bool Patterns::match(std::string_view path, bool is_directory) const {
  const std::string_view name = path.substr(path.rfind('/') + 1);
  if (!names_.empty()) {
    key_.assign(name);
    if (names_.contains(key_)) return true;
  }
  return std::any_of(rules_.begin(), rules_.end(), [&](const Rule& rule) {
    return (is_directory || !rule.directories_only) && rule.glob.matches(rule.whole_path ? path : name);
  });
}

}  // namespace bk
