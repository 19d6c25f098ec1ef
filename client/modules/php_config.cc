#include "client/modules/php_config.h"

#include "common/error/error.h"
#include "common/text/ascii.h"
#include "common/text/escape.h"

#include <algorithm>
#include <vector>

namespace bk::client {
namespace {

constexpr std::size_t kMaxValue = 64U << 10U;

bool is_word(char c) {
  return (lower_ascii(c) >= 'a' && lower_ascii(c) <= 'z') || (c >= '0' && c <= '9') || c == '_' ||
         static_cast<unsigned char>(c) >= 0x80;
}
bool is_digit(char c) { return c >= '0' && c <= '9'; }

enum class TokenKind { Word, Variable, Text, Other };
struct Token {
  TokenKind kind = TokenKind::Other;
  std::string text;   // of a word or variable its name; of Other one byte
  bool known = true;  // Text: its value is `text`
};

// Cuts PHP into tokens; blanks, comments and what stands outside <?php … ?> are passed over.
class Scanner {
 public:
  Scanner(std::string_view text, const std::map<std::string, std::optional<std::string>>& variables)
      : text_(text), variables_(variables) {}

  std::optional<Token> next() {
    for (;;) {
      if (!inside_ && !enter()) return std::nullopt;
      if (at_ >= text_.size()) return std::nullopt;
      if (skip_blank()) continue;
      if (text_.substr(at_, 2) == "?>") {
        inside_ = false;
        at_ += 2;
        return Token{TokenKind::Other, ";"};
      }
      return token();
    }
  }

 private:
  bool enter() {
    const std::size_t open = text_.find("<?", at_);
    if (open == std::string_view::npos) return false;
    at_ = open + 2;
    if (lower_ascii(text_.substr(at_, 3)) == "php") at_ += 3;
    if (text_.substr(at_, 1) == "=") ++at_;
    return inside_ = true;
  }
  // True when something was passed over.
  bool skip_blank() {
    const char c = text_[at_];
    if (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
      ++at_;
      return true;
    }
    if (text_.substr(at_, 2) == "/*") {
      const std::size_t end = text_.find("*/", at_ + 2);
      at_ = end == std::string_view::npos ? text_.size() : end + 2;
      return true;
    }
    if ((c == '#' && text_.substr(at_, 2) != "#[") || text_.substr(at_, 2) == "//") {
      const std::size_t line = std::min(text_.find('\n', at_), text_.size());
      at_ = std::min(line, text_.find("?>", at_));  // a closing tag ends such a comment, too
      return true;
    }
    return false;
  }
  std::string word() {
    const std::size_t begin = at_;
    while (at_ < text_.size() && is_word(text_[at_])) ++at_;
    return std::string(text_.substr(begin, at_ - begin));
  }
  Token token() {
    const char c = text_[at_];
    if (c == '\'') return single();
    if (c == '"' || c == '`') return quoted_text(c);
    if (text_.substr(at_, 3) == "<<<") return heredoc();
    if (c == '$' && at_ + 1 < text_.size() && is_word(text_[at_ + 1]) && !is_digit(text_[at_ + 1])) {
      ++at_;
      return {TokenKind::Variable, word()};
    }
    if (is_word(c)) return {TokenKind::Word, word()};
    ++at_;
    return {TokenKind::Other, std::string(1, c)};
  }
  Token single() {
    Token out{TokenKind::Text, {}};
    for (++at_; at_ < text_.size() && text_[at_] != '\''; ++at_) {
      if (text_[at_] == '\\' && at_ + 1 < text_.size() && (text_[at_ + 1] == '\'' || text_[at_ + 1] == '\\'))
        ++at_;
      out.text += text_[at_];
    }
    out.known = at_ < text_.size();
    at_ = std::min(at_ + 1, text_.size());
    return out;
  }
  Token quoted_text(char quote) {
    Token out{TokenKind::Text, {}};
    out.known = quote == '"';
    for (++at_; at_ < text_.size() && text_[at_] != quote;) {
      const char c = text_[at_];
      if (c == '\\' && at_ + 1 < text_.size()) {
        escape(out);
      } else if (c == '$' || (c == '{' && text_.substr(at_ + 1, 1) == "$")) {
        interpolate(out);
      } else {
        out.text += c;
        ++at_;
      }
    }
    out.known = out.known && at_ < text_.size();
    at_ = std::min(at_ + 1, text_.size());
    return out;
  }
  // At a backslash with something behind it.
  void escape(Token& out) {
    static constexpr std::string_view kFrom = "nrtvef\\$\"";
    static constexpr std::string_view kTo = "\n\r\t\v\033\f\\$\"";
    const char c = text_[++at_];
    if (const std::size_t which = kFrom.find(c); which != std::string_view::npos) {
      out.text += kTo[which];
      ++at_;
    } else if (c >= '0' && c <= '7') {
      unsigned value = 0;
      for (int i = 0; i < 3 && at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '7'; ++i, ++at_)
        value = value * 8 + static_cast<unsigned>(text_[at_] - '0');
      out.text += static_cast<char>(value & 0xffU);
    } else if (c == 'x' || c == 'u') {
      out.known = false;  // legal, and never seen in such a file
      ++at_;
    } else {
      out.text += '\\';  // PHP leaves it
    }
  }
  // "$name" and "{$name}"; anything deeper is unknown.
  void interpolate(Token& out) {
    const bool braces = text_[at_] == '{';
    const std::size_t dollar = at_ + (braces ? 1 : 0);
    at_ = dollar + 1;
    if (at_ >= text_.size() || !is_word(text_[at_]) || is_digit(text_[at_])) {
      out.known = out.known && !braces && text_.substr(at_, 1) != "{";
      out.text += '$';
      return;
    }
    const auto value = variables_.find(word());
    const bool plain =
        braces ? text_.substr(at_, 1) == "}" : text_.substr(at_, 1) != "[" && text_.substr(at_, 2) != "->";
    if (braces && plain) ++at_;
    if (!plain || value == variables_.end() || !value->second || out.text.size() > kMaxValue) {
      out.known = false;
    } else {
      out.text += *value->second;
    }
  }
  // Its value is never asked for; it must only not be taken for code.
  Token heredoc() {
    at_ += 3;
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t')) ++at_;
    if (at_ < text_.size() && (text_[at_] == '\'' || text_[at_] == '"')) ++at_;
    const std::string label = word();
    Token out{TokenKind::Text, {}, false};
    if (label.empty()) return {TokenKind::Other, "<"};
    for (std::size_t line = text_.find('\n', at_); line != std::string_view::npos;
         line = text_.find('\n', line + 1)) {
      std::size_t begin = line + 1;
      while (begin < text_.size() && (text_[begin] == ' ' || text_[begin] == '\t')) ++begin;
      const std::size_t end = begin + label.size();
      if (text_.substr(begin, label.size()) == label && (end >= text_.size() || !is_word(text_[end]))) {
        at_ = end;
        return out;
      }
    }
    at_ = text_.size();
    return out;
  }

  std::string_view text_;
  const std::map<std::string, std::optional<std::string>>& variables_;
  std::size_t at_ = 0;
  bool inside_ = false;
};

}  // namespace

// Follows the statements.
class PhpReader {
 public:
  PhpReader(PhpConfig& out, std::string_view text, std::string directory)
      : out_(out), scanner_(text, out.variables_), directory_(std::move(directory)) {}

  void run() {
    Token before{TokenKind::Other, ";"};
    advance();
    while (now_) {
      const Token token = *now_;
      if (token.kind == TokenKind::Variable && starts_statement(before)) {
        advance();
        assign(token.text);
      } else if (token.kind == TokenKind::Word && lower_ascii(token.text) == "define" && before.text != ">" &&
                 before.text != ":") {
        advance();
        define();
      } else if (token.kind == TokenKind::Word && lower_ascii(token.text) == "const" && depth_ == 0) {
        advance();
        constant();
      } else {
        if (token.kind == TokenKind::Other && token.text == "{") ++depth_;
        if (token.kind == TokenKind::Other && token.text == "}" && depth_ > 0) --depth_;
        if (token.kind == TokenKind::Word) branch(lower_ascii(token.text));
        if (token.kind == TokenKind::Other && token.text == ";") branched_ = false;
        advance();
      }
      before = token;
    }
  }

 private:
  void advance() { now_ = scanner_.next(); }
  [[nodiscard]] bool is(std::string_view other) const {
    return now_ && now_->kind == TokenKind::Other && now_->text == other;
  }
  static bool starts_statement(const Token& before) {
    return (before.kind == TokenKind::Other &&
            std::string_view(";{})").find(before.text) != std::string_view::npos) ||
           before.kind == TokenKind::Word;
  }
  // "if (…) $x = 1;" without braces.
  void branch(const std::string& word) {
    if (word == "if" || word == "else" || word == "elseif" || word == "case" || word == "foreach" ||
        word == "for" || word == "while" || word == "switch")
      branched_ = true;
  }
  [[nodiscard]] bool conditional() const { return depth_ > 0 || branched_; }

  // An expression up to one of `ends`, which is not consumed; nothing when it is not plain.
  std::optional<std::string> expression(std::string_view ends) {
    std::string out;
    bool known = true;
    bool operand = true;  // one is expected
    int parens = 0;
    while (now_ && !(parens == 0 && now_->kind == TokenKind::Other &&
                     ends.find(now_->text) != std::string_view::npos)) {
      if (is(";")) break;
      if (is("(") || is("[") || is("{")) ++parens;
      if ((is(")") || is("]") || is("}")) && parens > 0) --parens;
      if (operand) {
        const std::optional<std::string> value = primary();
        known = known && value && out.size() + value->size() <= kMaxValue;
        if (known) out += *value;
      } else if (!is(".")) {
        known = false;
        advance();
      } else {
        advance();
      }
      operand = !operand;
    }
    if (!known || operand) return std::nullopt;
    return out;
  }

  // One operand, consumed.
  std::optional<std::string> primary() {
    const Token token = *now_;
    advance();
    if (token.kind == TokenKind::Text) return token.known ? std::optional(token.text) : std::nullopt;
    if (token.kind == TokenKind::Variable) return lookup(out_.variables_, token.text);
    if (token.kind != TokenKind::Word) return std::nullopt;
    const std::string word = lower_ascii(token.text);
    if (word == "__dir__") return directory_;
    if (word == "true") return "1";
    if (word == "false" || word == "null") return "";
    if (word == "dirname") return directory_of_file();
    if (std::all_of(word.begin(), word.end(), is_digit)) return token.text;
    return is("(") ? std::nullopt : lookup(out_.constants_, token.text);
  }
  static std::optional<std::string> lookup(const PhpConfig::Values& values, const std::string& name) {
    const auto at = values.find(name);
    return at == values.end() ? std::nullopt : at->second;
  }
  // dirname(__FILE__)
  std::optional<std::string> directory_of_file() {
    if (!is("(")) return std::nullopt;
    advance();
    const bool file = now_ && now_->kind == TokenKind::Word && lower_ascii(now_->text) == "__file__";
    if (file) advance();
    if (!file || !is(")")) return std::nullopt;
    advance();
    return directory_;
  }

  void assign(const std::string& name) {
    if (!is("=")) {
      // "$x['y'] = …" and "$x .= …" change what is known.
      if (is("[") || is(".") || is("+") || is("-")) forget(name);
      return;
    }
    advance();
    if (is("=") || is(">")) return;  // == and =>
    const std::optional<std::string> value = expression(";");
    set(out_.variables_, name, value, !conditional());
  }
  // Only an element of it is changed, or it grows: no plain value any more.
  void forget(const std::string& name) {
    if (is("[")) {
      out_.variables_.try_emplace(name, std::nullopt);
      out_.variables_[name].reset();
      return;
    }
    advance();
    if (is("=")) out_.variables_[name].reset();
  }
  void define() {
    if (!is("(")) return;
    advance();
    const std::optional<std::string> name = expression(",)");
    if (!is(",")) return;
    advance();
    const std::optional<std::string> value = expression(",)");
    if (name) set(out_.constants_, *name, value, false);
  }
  void constant() {
    if (!now_ || now_->kind != TokenKind::Word) return;
    const std::string name = now_->text;
    advance();
    if (!is("=")) return;
    advance();
    const std::optional<std::string> value = expression(",;");
    set(out_.constants_, name, value, false);
  }
  // `replaces`: a plain later assignment wins.  Else two that differ make it unknown.
  static void set(PhpConfig::Values& values, const std::string& name, const std::optional<std::string>& value,
                  bool replaces) {
    const auto [at, fresh] = values.try_emplace(name, value);
    if (fresh) return;
    if (replaces) {
      at->second = value;
    } else if (at->second != value) {
      at->second.reset();
    }
  }

  PhpConfig& out_;
  Scanner scanner_;
  std::string directory_;
  std::optional<Token> now_;
  int depth_ = 0;
  bool branched_ = false;
};

PhpConfig::PhpConfig(std::string_view text, const std::string& directory,
                     const std::map<std::string, std::string>& known) {
  if (text.size() > kMaxPhpBytes) throw Error(Kind::Config, "it is longer than a configuration can be");
  for (const auto& [name, value] : known) variables_.emplace(name, value);
  PhpReader(*this, text, directory).run();
}

namespace {

std::optional<std::string> value_of(const std::map<std::string, std::optional<std::string>>& values,
                                    const std::string& name, const std::string& shown) {
  const auto at = values.find(name);
  if (at == values.end()) return std::nullopt;
  if (!at->second)
    throw Error(Kind::Config,
                shown + " has no plain value there (it is computed, or differs between branches)");
  return at->second;
}

}  // namespace

std::optional<std::string> PhpConfig::constant(const std::string& name) const {
  return value_of(constants_, name, name);
}
std::optional<std::string> PhpConfig::variable(const std::string& name) const {
  return value_of(variables_, name, "$" + name);
}

}  // namespace bk::client
