#include "server/access/conf_text.h"

#include <algorithm>

namespace bk::server {
namespace {

constexpr std::string_view kBlanks = " \t\r";

std::string_view strip(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(kBlanks);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlanks) - begin + 1);
}

bool says_nothing(std::string_view line) {
  const std::string_view text = strip(line);
  return text.empty() || text.front() == '#' || text.front() == ';';
}

// The name in "[NAME]"; nothing for another line.
std::optional<std::string_view> section_name(std::string_view line) {
  const std::string_view text = strip(line);
  if (text.size() < 2 || text.front() != '[' || line.front() != '[' || text.back() != ']')
    return std::nullopt;
  return strip(text.substr(1, text.size() - 2));
}

// Calls `use` with begin and end of each word from `from` on; quotes count as blanks.
template <typename Use>
void each_word(std::string_view line, std::size_t from, Use use) {
  constexpr std::string_view kBetween = " \t\r\"'";
  while ((from = line.find_first_not_of(kBetween, from)) != std::string_view::npos) {
    const std::size_t end = std::min(line.find_first_of(kBetween, from), line.size());
    use(from, end);
    from = end;
  }
}

// Where a line's words are values: behind the sign, or all of a continued line.
std::size_t values_from(std::string_view line) {
  const std::size_t sign = line.find_first_of("=:");
  return sign == std::string_view::npos ? 0 : sign + 1;
}

}  // namespace

ConfText::ConfText(std::string_view text) {
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    lines_.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

std::string ConfText::text() const {
  std::string out;
  for (const std::string& line : lines_) out += line + "\n";
  return out;
}

std::vector<std::string> ConfText::sections() const {
  std::vector<std::string> out;
  for (const std::string& line : lines_) {
    if (const auto name = section_name(line)) out.emplace_back(*name);
  }
  return out;
}

std::optional<std::size_t> ConfText::head_of(std::string_view section) const {
  for (std::size_t i = 0; i < lines_.size(); ++i) {
    if (section_name(lines_[i]) == section) return i;
  }
  return std::nullopt;
}

std::size_t ConfText::end_of(std::size_t head) const {
  std::size_t end = head + 1;
  while (end < lines_.size() && !section_name(lines_[end])) ++end;
  while (end > head + 1 && says_nothing(lines_[end - 1])) --end;
  return end;
}

bool ConfText::has(std::string_view section) const { return head_of(section).has_value(); }

std::vector<std::string> ConfText::body(std::string_view section) const {
  std::vector<std::string> out;
  const std::optional<std::size_t> head = head_of(section);
  if (!head) return out;
  for (std::size_t i = *head + 1; i < end_of(*head); ++i) {
    if (!says_nothing(lines_[i])) out.emplace_back(strip(lines_[i]));
  }
  return out;
}

void ConfText::append(std::string_view head, const std::vector<std::string>& lines) {
  if (!lines_.empty() && !strip(lines_.back()).empty()) lines_.emplace_back();
  lines_.emplace_back(head);
  lines_.insert(lines_.end(), lines.begin(), lines.end());
}

void ConfText::set(std::string_view section, std::string_view key, std::string_view value) {
  const std::size_t head = *head_of(section);
  std::string line = std::string(key) + " = " + std::string(value);
  for (std::size_t i = head + 1; i < end_of(head); ++i) {
    if (says_nothing(lines_[i])) continue;
    const std::size_t sign = lines_[i].find('=');
    if (strip(std::string_view(lines_[i]).substr(0, sign)) == key) return void(lines_[i] = std::move(line));
  }
  lines_.insert(lines_.begin() + static_cast<std::ptrdiff_t>(head) + 1, std::move(line));
}

void ConfText::remove(std::string_view section) {
  const std::optional<std::size_t> head = head_of(section);
  if (!head) return;
  std::size_t end = end_of(*head);
  if (end < lines_.size() && strip(lines_[end]).empty()) ++end;
  const auto begin = lines_.begin();
  lines_.erase(begin + static_cast<std::ptrdiff_t>(*head), begin + static_cast<std::ptrdiff_t>(end));
}

void ConfText::retitle(std::string_view section, std::string_view to) {
  if (const std::optional<std::size_t> head = head_of(section)) lines_[*head] = "[" + std::string(to) + "]";
}

void ConfText::replace_word(std::string_view from, std::string_view to) {
  for (std::string& line : lines_) {
    if (says_nothing(line) || section_name(line)) continue;
    std::string out;
    std::size_t done = 0;
    each_word(line, values_from(line), [&](std::size_t begin, std::size_t end) {
      if (std::string_view(line).substr(begin, end - begin) != from) return;
      out += line.substr(done, begin - done) + std::string(to);
      done = end;
    });
    if (done > 0) line = out + line.substr(done);
  }
}

void ConfText::replace_line(std::string_view from, std::string_view to) {
  for (std::string& line : lines_) {
    if (strip(line) == from) line = std::string(to);
  }
}

std::vector<int> ConfText::lines_with(std::string_view word) const {
  std::vector<int> out;
  for (std::size_t i = 0; i < lines_.size(); ++i) {
    if (says_nothing(lines_[i])) continue;
    bool found = section_name(lines_[i]) && section_name(lines_[i])->ends_with(" " + std::string(word));
    each_word(lines_[i], 0, [&](std::size_t begin, std::size_t end) {
      found |= std::string_view(lines_[i]).substr(begin, end - begin) == word;
    });
    if (found) out.push_back(static_cast<int>(i) + 1);
  }
  return out;
}

}  // namespace bk::server
