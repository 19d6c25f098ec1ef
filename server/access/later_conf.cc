#include "server/access/later_conf.h"

#include "common/text/escape.h"
#include "server/access/blanks.h"

#include <algorithm>
#include <optional>
#include <set>

namespace bk::server {
namespace {

std::string_view take_line(std::string_view& text) {
  const std::size_t end = std::min(text.find('\n'), text.size());
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return line;
}

// "gitosis" or "repo" as a word of its own at the beginning.
bool opens(std::string_view line, std::string_view keyword) {
  return line.starts_with(keyword) && (line.size() == keyword.size() || is_blank(line[keyword.size()]));
}

class Parser {
 public:
  explicit Parser(std::string_view file) : file_(file) {}

  void line(std::string_view text) {
    ++number_;
    if (text.find('\0') != std::string_view::npos) refuse("a NUL byte");
    text = strip_blanks(text);
    if (text.empty() || text.front() == '#') return;
    if (text.front() == '@') {
      group(text);
    } else if (opens(text, "gitosis")) {
      close();
      open_.emplace(IniSection{{}, number_, {}});
    } else if (opens(text, "repo")) {
      close();
      const std::string_view name = strip_blanks(text.substr(4));
      if (name.empty()) refuse("'repo' needs a name");
      open_.emplace(IniSection{std::string(name), number_, {}});
    } else if (open_) {
      const auto [key, value] = pair(text, "KEY = VALUE");
      open_->values[key] = {value, number_};
    } else {
      refuse(quoted(text.substr(0, 80)) + " is neither '@group = …' nor 'gitosis' nor 'repo NAME'");
    }
    if (index_.size() > kMaxConfSections)
      refuse("more than " + std::to_string(kMaxConfSections) + " sections");
  }

  LaterFile take() {
    close();
    return std::move(out_);
  }

 private:
  [[noreturn]] void refuse(const std::string& reason) const { refuse_line(file_, number_, reason); }

  std::pair<std::string, std::string> pair(std::string_view text, const char* form) const {
    const std::size_t sign = text.find('=');
    if (sign == std::string_view::npos) refuse(quoted(text.substr(0, 80)) + " should have the form " + form);
    return {std::string(strip_blanks(text.substr(0, sign))),
            std::string(strip_blanks(text.substr(sign + 1)))};
  }

  void group(std::string_view text) {
    const auto [name, members] = pair(text, "@GROUP = MEMBER …");
    replace<LaterFile::Group>(out_.groups, name, {name, {members, number_}});
  }

  // What is said again replaces the first and moves to the place of the last.
  template <class T>
  void replace(std::vector<T>& list, const std::string& key, T item) {
    if (!index_.insert(key).second)
      list.erase(std::find_if(list.begin(), list.end(), [&](const T& one) { return one.name == item.name; }));
    list.push_back(std::move(item));
  }

  void close() {
    if (!open_) return;
    if (open_->name.empty()) {
      out_.gitosis = std::move(open_->values);
    } else {
      const std::string key = "repo " + open_->name;
      replace(out_.repos, key, std::move(*open_));
    }
    open_.reset();
  }

  std::string_view file_;
  int number_ = 0;
  LaterFile out_;
  std::optional<IniSection> open_;
  std::set<std::string> index_;  // names of groups, with '@', and of repositories, with "repo "
};

class Splitter {
 public:
  QuotedWords split(std::string_view text) {
    for (const char c : text) {
      if (!out_.problem.empty()) return {{}, out_.problem};
      take(c);
    }
    if (!out_.problem.empty()) return {{}, out_.problem};
    if (quote_ != 0) return {{}, "a quotation mark is not closed"};
    if (!word_.empty()) out_.words.push_back(word_);
    return std::move(out_);
  }

 private:
  void take(char c) {
    if (closed_) {
      if (!is_blank(c)) {
        out_.problem = "text behind a closing quotation mark";
        return;
      }
      flush();
      closed_ = false;
    } else if (escaped_) {
      if (c != '\'' && c != '"' && c != '\\') word_ += '\\';
      word_ += c;
      escaped_ = false;
    } else if (quote_ != 0) {
      inside(c);
    } else if (is_blank(c)) {
      if (!word_.empty()) flush();
    } else if ((c == '\'' || c == '"') && word_.empty()) {
      quote_ = c;
    } else {
      word_ += c;
    }
  }

  void inside(char c) {
    if (c == quote_) {
      quote_ = 0;
      closed_ = true;
    } else if (c == '\\') {
      escaped_ = true;
    } else {
      word_ += c;
    }
  }

  void flush() {
    out_.words.push_back(word_);
    word_.clear();
  }

  QuotedWords out_;
  std::string word_;
  char quote_ = 0;
  bool escaped_ = false, closed_ = false;
};

}  // namespace

LaterFile parse_later(std::string_view text, std::string_view file) {
  if (text.size() > kMaxConfBytes)
    refuse_line(file, 1, "larger than " + std::to_string(kMaxConfBytes) + " bytes");
  Parser parser(file);
  while (!text.empty()) parser.line(take_line(text));
  return parser.take();
}

QuotedWords split_quoted(std::string_view text) {
  if (text.find_first_of("'\"") == std::string_view::npos) return {split_words(text), {}};
  return Splitter().split(text);
}

bool is_later_grammar(std::string_view text) {
  while (!text.empty()) {
    const std::string_view line = take_line(text);
    if (line.starts_with('[')) return false;
    const std::string_view stripped = strip_blanks(line);
    if (stripped.starts_with('@') || opens(stripped, "gitosis") || opens(stripped, "repo")) return true;
  }
  return false;
}

}  // namespace bk::server
