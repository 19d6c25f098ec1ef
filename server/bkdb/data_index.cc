#include "server/bkdb/data_index.h"

#include "common/error/error.h"
#include "common/text/escape.h"

#include <algorithm>
#include <charconv>
#include <string>

namespace bk::bkdb {
namespace {

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

std::size_t parse_one(std::string_view word, std::string_view whole, std::size_t sources) {
  std::size_t value = 0;
  const auto [end, code] = std::from_chars(word.data(), word.data() + word.size(), value);
  const bool is_number = !word.empty() && end == word.data() + word.size();
  if (!is_number || code == std::errc::invalid_argument)
    throw Error(Kind::Usage, "invalid data source index " + quoted(whole) +
                                 ": give numbers as \"ls\" shows them, such as 0,2");
  if (code == std::errc::result_out_of_range || value >= sources)
    throw Error(Kind::Usage, "bad data source index " + quoted(word) + ": there are " +
                                 std::to_string(sources) + " sources here, numbered from 0");
  return value;
}

}  // namespace

std::vector<std::size_t> parse_data_index(std::string_view text, std::size_t sources) {
  std::vector<std::size_t> out;
  std::string_view rest = text;
  for (;;) {
    const std::size_t comma = rest.find(',');
    out.push_back(parse_one(trimmed(rest.substr(0, comma)), text, sources));
    if (comma == std::string_view::npos) break;
    rest.remove_prefix(comma + 1);
  }
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

}  // namespace bk::bkdb
