#include "server/access/ini.h"

#include "common/error/error.h"
#include "common/text/escape.h"
#include "server/access/blanks.h"

#include <algorithm>

namespace bk::server {
namespace {

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

// ConfigParser also takes "rem" lines for comments.
bool is_comment(std::string_view line) {
  if (strip_blanks(line).empty() || line.front() == '#' || line.front() == ';') return true;
  return line.size() >= 3 && lower(line.substr(0, 3)) == "rem" && (line.size() == 3 || is_blank(line[3]));
}

class Parser {
 public:
  explicit Parser(std::string_view file) : file_(file) {}

  void line(std::string_view text) {
    ++number_;
    if (text.find('\0') != std::string_view::npos) refuse("a NUL byte");
    if (is_comment(text)) return;
    if (is_blank(text.front()) && section_ != nullptr && value_ != nullptr) {
      value_->text += '\n';
      value_->text += strip_blanks(text);
    } else if (text.front() == '[') {
      header(text);
    } else {
      option(text);
    }
  }

  IniFile take() {
    out_.sections.assign(sections_.begin(), sections_.end());
    return std::move(out_);
  }

 private:
  [[noreturn]] void refuse(const std::string& reason) const { refuse_line(file_, number_, reason); }

  void header(std::string_view text) {
    const std::size_t end = text.find(']');
    if (end == std::string_view::npos || end == 1) refuse("a section needs the form [NAME]");
    const std::string name(text.substr(1, end - 1));
    value_ = nullptr;
    if (name == "DEFAULT") {
      section_ = &out_.defaults;
      return;
    }
    const auto [at, is_new] = index_.emplace(name, sections_.size());
    if (is_new) {
      if (sections_.size() == kMaxConfSections)
        refuse("more than " + std::to_string(kMaxConfSections) + " sections");
      sections_.push_back({name, number_, {}});
    }
    position_ = at->second;
    section_ = &sections_[position_];
  }

  void option(std::string_view text) {
    if (section_ == nullptr) refuse(quoted(text.substr(0, 80)) + " stands before the first [section]");
    const std::size_t sign = text.find_first_of("=:");
    if (sign == std::string_view::npos || sign == 0 || is_blank(text.front()))
      refuse(quoted(text.substr(0, 80)) + " is neither a [section] nor KEY = VALUE");
    // The blanks behind the sign belong to it, so a ';' right behind them begins no comment; ConfigParser
    // looks at the last byte of the line instead, and so does this.
    std::string_view value = text.substr(sign + 1);
    value.remove_prefix(std::min(value.find_first_not_of(kBlanks), value.size()));
    const std::size_t comment = value.find(';');
    if (comment != std::string_view::npos && is_blank(comment > 0 ? value[comment - 1] : value.back()))
      value = value.substr(0, comment);
    value = strip_blanks(value);
    if (value == "\"\"") value = {};
    IniValue& slot = section_->values[lower(strip_blanks(text.substr(0, sign)))];
    slot = {std::string(value), number_};
    value_ = &slot;
  }

  std::string_view file_;
  int number_ = 0;
  IniFile out_;
  std::vector<IniSection> sections_;
  std::map<std::string, std::size_t> index_;
  std::size_t position_ = 0;
  IniSection* section_ = nullptr;
  IniValue* value_ = nullptr;
};

}  // namespace

void refuse_line(std::string_view file, int line, std::string_view reason) {
  std::string text(file);
  text += ':' + std::to_string(line) + ": ";
  text += reason;
  throw Error(Kind::Config, text);
}

const IniSection* IniFile::find_section(std::string_view name) const {
  const auto at = std::find_if(sections.begin(), sections.end(),
                               [&](const IniSection& section) { return section.name == name; });
  return at == sections.end() ? nullptr : &*at;
}

const IniValue* IniFile::find(const IniSection& section, std::string_view key) const {
  const std::string wanted = lower(key);
  if (const auto at = section.values.find(wanted); at != section.values.end()) return &at->second;
  if (const auto at = defaults.values.find(wanted); at != defaults.values.end()) return &at->second;
  return nullptr;
}

IniFile parse_ini(std::string_view text, std::string_view file) {
  if (text.size() > kMaxConfBytes)
    refuse_line(file, 1, "larger than " + std::to_string(kMaxConfBytes) + " bytes");
  Parser parser(file);
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    parser.line(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return parser.take();
}

std::vector<std::string> split_words(std::string_view text) {
  std::vector<std::string> words;
  for (;;) {
    const std::size_t begin = text.find_first_not_of(kBlanks);
    if (begin == std::string_view::npos) return words;
    const std::size_t end = std::min(text.find_first_of(kBlanks, begin), text.size());
    words.emplace_back(text.substr(begin, end - begin));
    text.remove_prefix(end);
  }
}

}  // namespace bk::server
