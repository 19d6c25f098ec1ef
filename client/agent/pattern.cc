#include "client/agent/pattern.h"

#include <algorithm>

namespace bk::agent {

namespace {

struct Token {
  enum class Kind { Byte, AnyByte, AnyName, AnyPath } kind;
  char byte;
};

std::vector<Token> tokens_of(std::string_view pattern) {
  std::vector<Token> tokens;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    if (pattern[i] == '*' && i + 1 < pattern.size() && pattern[i + 1] == '*') {
      tokens.push_back({Token::Kind::AnyPath, 0});
      ++i;
    } else if (pattern[i] == '*') {
      tokens.push_back({Token::Kind::AnyName, 0});
    } else if (pattern[i] == '?') {
      tokens.push_back({Token::Kind::AnyByte, 0});
    } else {
      if (pattern[i] == '\\' && i + 1 < pattern.size()) ++i;
      tokens.push_back({Token::Kind::Byte, pattern[i]});
    }
  }
  return tokens;
}

}  // namespace

bool glob_matches(std::string_view pattern, std::string_view text) {
  // reached[i]: the tokens so far match the first i bytes.
  std::vector<char> reached(text.size() + 1, 0);
  reached[0] = 1;
  for (const Token& token : tokens_of(pattern)) {
    std::vector<char> next(text.size() + 1, 0);
    for (std::size_t i = 0; i <= text.size(); ++i) {
      const bool star = token.kind == Token::Kind::AnyPath || token.kind == Token::Kind::AnyName;
      if (star && reached[i] != 0) next[i] = 1;
      if (i == 0) continue;
      const char c = text[i - 1];
      if (token.kind == Token::Kind::AnyPath && next[i - 1] != 0) next[i] = 1;
      if (token.kind == Token::Kind::AnyName && next[i - 1] != 0 && c != '/') next[i] = 1;
      if (token.kind == Token::Kind::AnyByte && reached[i - 1] != 0 && c != '/') next[i] = 1;
      if (token.kind == Token::Kind::Byte && reached[i - 1] != 0 && c == token.byte) next[i] = 1;
    }
    reached.swap(next);
  }
  return reached[text.size()] != 0;
}

Patterns::Patterns(const std::vector<std::string>& patterns) {
  for (std::string pattern : patterns) {
    if (pattern.size() > 1 && pattern.back() == '/') pattern.pop_back();
    const bool whole_path = pattern.find('/') != std::string::npos;
    if (whole_path && pattern.front() == '/') pattern.erase(0, 1);
    (whole_path ? by_path_ : by_name_).push_back(pattern);
  }
}

bool Patterns::match(std::string_view path) const {
  const std::string_view name = path.substr(path.rfind('/') + 1);
  const auto hits = [](std::string_view text) {
    return [text](const std::string& p) { return glob_matches(p, text); };
  };
  return std::any_of(by_name_.begin(), by_name_.end(), hits(name)) ||
         std::any_of(by_path_.begin(), by_path_.end(), hits(path));
}

}  // namespace bk::agent
