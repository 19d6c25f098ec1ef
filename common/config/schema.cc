#include "common/config/schema.h"

#include "common/text/escape.h"
#include "common/text/number.h"

#include <algorithm>
#include <numeric>
#include <set>

namespace bk {
namespace {

using std::chrono::seconds;

struct Unit {
  std::string_view suffix;
  std::uint64_t factor;
};
constexpr Unit kTimeUnits[] = {{"s", 1}, {"m", 60}, {"h", 3600}, {"d", 86400}};
constexpr Unit kSizeUnits[] = {
    {"KiB", 1ULL << 10U}, {"MiB", 1ULL << 20U}, {"GiB", 1ULL << 30U}, {"TiB", 1ULL << 40U}};
constexpr std::uint64_t kTenYears = 3653ULL * 86400;

std::optional<std::uint64_t> with_unit(std::string_view text, std::span<const Unit> units,
                                       std::uint64_t high) {
  for (const Unit& unit : units) {
    if (!text.ends_with(unit.suffix)) continue;
    text.remove_suffix(unit.suffix.size());
    const std::optional<std::uint64_t> count = parse_int<std::uint64_t>(text, 0, high / unit.factor);
    if (!count) return std::nullopt;
    return *count * unit.factor;
  }
  return std::nullopt;
}

}  // namespace

std::string_view type_name(ConfigType type) {
  switch (type) {
    case ConfigType::Text:
      return "text";
    case ConfigType::Number:
      return "number";
    case ConfigType::Flag:
      return "true or false";
    case ConfigType::Duration:
      return "duration";
    case ConfigType::Size:
      return "size";
    case ConfigType::TextList:
      return "list of texts";
  }
  return "";
}

std::optional<seconds> parse_duration(std::string_view text) {
  const std::optional<std::uint64_t> count = with_unit(text, kTimeUnits, kTenYears);
  if (!count) return std::nullopt;
  return seconds(static_cast<std::int64_t>(*count));
}

std::optional<std::uint64_t> parse_size(std::string_view text) {
  if (const std::optional<std::uint64_t> bytes = parse_int<std::uint64_t>(text)) return bytes;
  return with_unit(text, kSizeUnits, UINT64_MAX);
}

namespace config {
namespace {

bool is_placeholder(std::string_view part) {
  return std::all_of(part.begin(), part.end(), [](char c) { return c >= 'A' && c <= 'Z'; });
}

// The row's parts match the whole of `path`, and the row may go on below it.
bool begins_with(const Parts& row, const Parts& path) {
  return row.size() >= path.size() &&
         matches({row.begin(), row.begin() + static_cast<std::ptrdiff_t>(path.size())}, path);
}

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), 0U);
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t k = 1; k <= b.size(); ++k) {
      const std::size_t replaced = diagonal + (a[i - 1] == b[k - 1] ? 0U : 1U);
      diagonal = row[k];
      row[k] = std::min({replaced, row[k] + 1, row[k - 1] + 1});
    }
  }
  return row.back();
}

}  // namespace

Parts split(std::string_view key) {
  Parts out;
  for (std::size_t begin = 0; begin <= key.size();) {
    const std::size_t end = std::min(key.find('.', begin), key.size());
    out.emplace_back(key.substr(begin, end - begin));
    begin = end + 1;
  }
  return out;
}

std::string dotted(const Parts& parts) {
  std::string out;
  // A path is the user's own text and stands in quotes, as in the file.
  for (const std::string& part : parts)
    out += (out.empty() ? "" : ".") + (part.starts_with('/') ? quoted(part) : part);
  return out;
}

bool matches(const Parts& row, const Parts& path) {
  for (std::size_t i = 0; i < path.size() && i < row.size(); ++i) {
    if (!is_placeholder(row[i]) && row[i] != path[i]) return false;
  }
  return true;
}

const ConfigKey* find_row(std::span<const ConfigKey> schema, const Parts& path) {
  for (const ConfigKey& row : schema) {
    const Parts parts = split(row.key);
    if (parts.size() == path.size() && matches(parts, path)) return &row;
  }
  return nullptr;
}

bool is_table(std::span<const ConfigKey> schema, const Parts& path) {
  return std::any_of(schema.begin(), schema.end(), [&](const ConfigKey& row) {
    const Parts parts = split(row.key);
    return parts.size() > path.size() && begins_with(parts, path);
  });
}

bool is_free_name(std::span<const ConfigKey> schema, const Parts& path) {
  return std::any_of(schema.begin(), schema.end(), [&](const ConfigKey& row) {
    const Parts parts = split(row.key);
    return begins_with(parts, path) && is_placeholder(parts[path.size() - 1]);
  });
}

bool is_free_path(std::span<const ConfigKey> schema, const Parts& path) {
  return std::any_of(schema.begin(), schema.end(), [&](const ConfigKey& row) {
    const Parts parts = split(row.key);
    return begins_with(parts, path) && parts[path.size() - 1] == "PATH";
  });
}

std::vector<std::string> names_below(std::span<const ConfigKey> schema, const Parts& path) {
  const Parts above(path.begin(), path.end() - 1);
  std::set<std::string> names;
  for (const ConfigKey& row : schema) {
    const Parts parts = split(row.key);
    if (parts.size() >= path.size() && begins_with(parts, above) && !is_placeholder(parts[above.size()]))
      names.insert(parts[above.size()]);
  }
  return {names.begin(), names.end()};
}

std::string nearest(std::string_view wrong, const std::vector<std::string>& known) {
  std::string best;
  // More than a third of the letters wrong is another word, not a typing error.
  std::size_t limit = std::max<std::size_t>(2, wrong.size() / 3) + 1;
  for (const std::string& name : known) {
    const std::size_t distance = edit_distance(wrong.substr(0, 64), name);
    if (distance < limit) {
      limit = distance;
      best = name;
    }
  }
  return best;
}

bool fits(ConfigType type, std::string_view text, bool is_string) {
  switch (type) {
    case ConfigType::Text:
    case ConfigType::TextList:
      return is_string && std::none_of(text.begin(), text.end(), [](char c) {
               return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
             });
    case ConfigType::Number:
      return !is_string && parse_int<std::uint64_t>(text).has_value();
    case ConfigType::Flag:
      return !is_string && (text == "true" || text == "false");
    case ConfigType::Duration:
      return is_string && parse_duration(text).has_value();
    case ConfigType::Size:
      return parse_size(text).has_value();
  }
  return false;
}

std::string_view expectation(ConfigType type) {
  switch (type) {
    case ConfigType::Text:
      return "text in quotes, such as \"web1\"";
    case ConfigType::Number:
      return "a whole number, such as 4";
    case ConfigType::Flag:
      return "true or false";
    case ConfigType::Duration:
      return "a duration in quotes, such as \"90s\", \"15m\", \"6h\" or \"7d\"";
    case ConfigType::Size:
      return "a size, such as 4096 or \"64MiB\"";
    case ConfigType::TextList:
      return "a list of texts, such as [\"/srv/a\", \"/srv/b\"]";
  }
  return "";
}

}  // namespace config
}  // namespace bk
