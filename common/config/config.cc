#include "common/config/config.h"

#include "common/config/schema.h"
#include "common/error/error.h"
#include "common/io/file.h"
#include "common/path/names.h"
#include "common/text/escape.h"
#include "common/text/number.h"

#include <fmt/format.h>

// toml++ 3.3 asserts on some malformed files ("[[["), and where asserts are compiled out takes the condition
// for granted, which is undefined behaviour.  So its asserts are exceptions here, in every build.
#undef NDEBUG
namespace {
struct TomlAssertion {};
[[noreturn]] void toml_assertion() { throw TomlAssertion{}; }
}  // namespace
#define TOML_ASSERT(condition) (static_cast<bool>(condition) ? void() : toml_assertion())
#define TOML_HEADER_ONLY 1
#define TOML_ENABLE_FORMATTERS 0
#include <toml++/toml.h>

#include <algorithm>

namespace bk {

using config::join;
using config::nearest;

// Walks the parsed file along the schema and fills a Config.
class ConfigReader {
 public:
  ConfigReader(Config& out) : out_(out) {}

  void table(const toml::table& table, std::vector<std::string>& path) {
    for (const auto& [key, node] : table) {
      const int line = static_cast<int>(key.source().begin.line);
      path.emplace_back(key.str());
      if (const toml::table* below = node.as_table()) {
        enter(path, line);
        this->table(*below, path);
      } else {
        value(path, node, line);
      }
      path.pop_back();
    }
    require(path, static_cast<int>(table.source().begin.line));
  }

 private:
  [[noreturn]] void refuse(int line, const std::string& why) const {
    throw Error(Kind::Config, fmt::format("{}:{}: {}", out_.file_, line, why));
  }

  [[noreturn]] void unknown(const std::vector<std::string>& path, int line) const {
    const std::vector<std::string> known = config::names_below(out_.schema_, path);
    const std::string near = nearest(path.back(), known);
    std::string why = "unknown key " + quoted(config::dotted(path));
    if (known.empty()) {
      why += "; nothing stands below " + quoted(config::dotted({path.begin(), path.end() - 1}));
    } else if (!near.empty()) {
      why += "; did you mean " + quoted(near) + "?";
    } else {
      why += fmt::format("; known here: {}", fmt::join(known, ", "));
    }
    refuse(line, why);
  }

  void enter(const std::vector<std::string>& path, int line) {
    if (const ConfigKey* row = config::find_row(out_.schema_, path))
      refuse(line,
             config::dotted(path) + ": expected " + std::string(type_name(row->type)) + ", found a table");
    if (!config::is_table(out_.schema_, path)) unknown(path, line);
    if (config::is_free_name(out_.schema_, path) && !is_safe_name(path.back()))
      refuse(line,
             quoted(path.back()) +
                 ": a name has 1 to 64 letters, digits, '.', '_' or '-' and begins with a letter or digit");
    out_.tables_.emplace(join(path), line);
  }

  void value(const std::vector<std::string>& path, const toml::node& node, int line) {
    const ConfigKey* row = config::find_row(out_.schema_, path);
    if (row == nullptr) {
      if (config::is_table(out_.schema_, path))
        refuse(line, fmt::format("{}: expected a table, [{}]", config::dotted(path), config::dotted(path)));
      unknown(path, line);
    }
    Config::Value out{{}, line};
    const toml::array* array = node.as_array();
    if (array != nullptr && row->type == ConfigType::TextList) {
      for (const toml::node& item : *array)
        out.texts.push_back(element(path, *row, item, static_cast<int>(item.source().begin.line)));
    } else {
      out.texts.push_back(element(path, *row, node, line));
    }
    out_.values_.emplace(join(path), std::move(out));
  }

  std::string element(const std::vector<std::string>& path, const ConfigKey& row, const toml::node& node,
                      int line) const {
    std::string text;
    if (const auto* s = node.as_string()) {
      text = s->get();
    } else if (const auto* n = node.as_integer()) {
      text = std::to_string(n->get());
    } else if (const auto* b = node.as_boolean()) {
      text = b->get() ? "true" : "false";
    }
    if (!config::fits(row.type, text, node.is_string()))
      refuse(line, fmt::format("{}: expected {}", config::dotted(path), config::expectation(row.type)));
    return text;
  }

  void require(const std::vector<std::string>& path, int line) const {
    for (const ConfigKey& row : out_.schema_) {
      if (row.fallback != kRequired) continue;
      const std::vector<std::string> parts = config::split(row.key);
      if (parts.size() != path.size() + 1 || !config::matches(parts, path)) continue;
      std::vector<std::string> full = path;
      full.push_back(parts.back());
      if (!out_.values_.contains(join(full)))
        refuse(std::max(line, 1), fmt::format("{} is missing: {}", config::dotted(full), row.meaning));
    }
  }

  Config& out_;
};

namespace {

// The line at which the parser gave up without saying where: the shortest text that makes it do so ends
// there.
int line_of_assertion(std::string_view text) {
  int line = 1;
  for (std::size_t end = text.find('\n'); end != std::string_view::npos;
       end = text.find('\n', end + 1), ++line) {
    try {
      (void)toml::parse(text.substr(0, end + 1));
    } catch (const TomlAssertion&) {
      return line;
    } catch (const toml::parse_error&) {
      // The end of a text that goes on for several lines is missing.
    }
  }
  return line;
}

}  // namespace

Config Config::parse(std::string_view text, std::string file, std::span<const ConfigKey> schema) {
  Config out;
  out.file_ = std::move(file);
  out.schema_ = schema;
  try {
    const toml::table root = toml::parse(text, out.file_);
    std::vector<std::string> path;
    ConfigReader(out).table(root, path);
  } catch (const toml::parse_error& error) {
    throw Error(Kind::Config, fmt::format("{}:{}: {}", out.file_, error.source().begin.line,
                                          std::string_view(error.description())));
  } catch (const TomlAssertion&) {
    throw Error(Kind::Config, fmt::format("{}:{}: not TOML: a key or a table's name is expected", out.file_,
                                          line_of_assertion(text)));
  }
  return out;
}

Config Config::load(const std::string& path, std::span<const ConfigKey> schema) {
  const std::optional<std::string> text = try_read_file(path, 1U << 20U);
  if (!text) throw Error(Kind::Config, quoted(path) + " is missing; --home names the folder that holds it");
  return parse(*text, path, schema);
}

bool Config::has(Path path) const { return values_.contains(join(path)); }

const ConfigKey& Config::row(Path path, ConfigType type) const {
  const ConfigKey* found = config::find_row(schema_, {path.begin(), path.end()});
  BK_CHECK(found != nullptr && found->type == type);
  return *found;
}

std::string Config::scalar(Path path, ConfigType type) const {
  const ConfigKey& known = row(path, type);
  const auto at = values_.find(join(path));
  if (at != values_.end()) return at->second.texts.front();
  return known.fallback == kRequired ? std::string() : std::string(known.fallback);
}

std::string Config::text(Path path) const { return scalar(path, ConfigType::Text); }

std::uint64_t Config::number(Path path) const {
  return parse_int<std::uint64_t>(scalar(path, ConfigType::Number)).value_or(0);
}

bool Config::flag(Path path) const { return scalar(path, ConfigType::Flag) == "true"; }

std::chrono::seconds Config::duration(Path path) const {
  return parse_duration(scalar(path, ConfigType::Duration)).value_or(std::chrono::seconds(0));
}

std::uint64_t Config::size(Path path) const { return parse_size(scalar(path, ConfigType::Size)).value_or(0); }

std::vector<std::string> Config::list(Path path) const {
  const ConfigKey& known = row(path, ConfigType::TextList);
  const auto at = values_.find(join(path));
  if (at != values_.end()) return at->second.texts;
  if (known.fallback.empty() || known.fallback == kRequired) return {};
  return {std::string(known.fallback)};
}

std::vector<std::string> Config::tables(std::string_view prefix) const {
  std::vector<std::string> names;
  const std::string start = std::string(prefix) + config::kSeparator;
  for (const auto& [key, line] : tables_) {
    if (key.starts_with(start) && key.find(config::kSeparator, start.size()) == std::string::npos)
      names.push_back(key.substr(start.size()));
  }
  return names;
}

void Config::refuse(Path path, const std::string& why) const {
  int line = 1;
  // The value's own line, else that of the nearest table around it.
  std::vector<std::string> parts(path.begin(), path.end());
  if (const auto at = values_.find(join(parts)); at != values_.end()) {
    line = at->second.line;
  } else {
    for (std::vector<std::string> up = parts; !up.empty(); up.pop_back()) {
      if (const auto table = tables_.find(join(up)); table != tables_.end()) {
        line = table->second;
        break;
      }
    }
  }
  throw Error(Kind::Config, fmt::format("{}:{}: {}: {}", file_, line, config::dotted(parts), why));
}

}  // namespace bk
