// backupconfig.toml, read strictly: what the program does not know is an error, never ignored.
//
// A program describes its file as a table of ConfigKey rows; documentation pages are compared with the same
// table. Everything in the file is checked when it is read, so a mistake in a section that this run does not
// use is found today and not in the night it is needed.  Errors are Kind::Config and begin with "file:line:
// ".
#pragma once

#include <chrono>
#include <cstdint>
#include <initializer_list>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace bk {

enum class ConfigType {
  Text,      // "…", without control bytes
  Number,    // 0 or more
  Flag,      // true or false
  Duration,  // "90s", "15m", "6h", "7d"
  Size,      // a number of bytes, or "64KiB", "8MiB", "2GiB", "1TiB"
  TextList,  // ["…", "…"]; a single "…" counts as a list of one
};

// One key that the file may hold.
struct ConfigKey {
  // "server.NAME.url"; a word in capitals stands for any safe name, PATH for a clean absolute path
  std::string_view key;
  ConfigType type;
  std::string_view fallback;  // as it would stand in the file without quotes; "" is empty; or kRequired
  std::string_view meaning;   // for people
};
// A missing required key is an error as soon as the table it belongs to is in the file.
inline constexpr std::string_view kRequired = "required";

// "text", "number", "true or false", … as documentation and messages call the type.
[[nodiscard]] std::string_view type_name(ConfigType type);
// Nothing unless `text` is a duration as above; at most ten years.
[[nodiscard]] std::optional<std::chrono::seconds> parse_duration(std::string_view text);
// Nothing unless `text` is a size as above.
[[nodiscard]] std::optional<std::uint64_t> parse_size(std::string_view text);

// The values of one file.  A value that is not in the file reads as the row's fallback.
class Config {
 public:
  // {"server", name, "url"}
  struct Path : std::span<const std::string_view> {
    Path(std::initializer_list<std::string_view> parts) : span(parts.begin(), parts.size()) {}
    Path(const std::vector<std::string_view>& parts) : span(parts) {}
  };

  // Pure.  `file` is only the name that messages use.  `schema` must outlive the Config.
  [[nodiscard]] static Config parse(std::string_view text, std::string file,
                                    std::span<const ConfigKey> schema);
  // A missing file, or one that others may have written (own_file.h): Config, and it says what to do.
  [[nodiscard]] static Config load(const std::string& path, std::span<const ConfigKey> schema);

  [[nodiscard]] bool has(Path path) const;  // it stands in the file
  [[nodiscard]] std::string text(Path path) const;
  [[nodiscard]] std::uint64_t number(Path path) const;
  [[nodiscard]] bool flag(Path path) const;
  [[nodiscard]] std::chrono::seconds duration(Path path) const;
  [[nodiscard]] std::uint64_t size(Path path) const;
  [[nodiscard]] std::vector<std::string> list(Path path) const;
  // The names of the tables below `prefix`, sorted: tables({"server"}) lists the servers.
  [[nodiscard]] std::vector<std::string> tables(Path prefix) const;

  // "file:line: key: why" for what only the caller can judge (a path that must be absolute …).
  [[noreturn]] void refuse(Path path, const std::string& why) const;
  [[nodiscard]] const std::string& file() const { return file_; }

 private:
  friend class ConfigReader;
  struct Value {
    std::vector<std::string> texts;  // numbers and flags as text, too
    int line = 0;
  };
  [[nodiscard]] const ConfigKey& row(Path path, ConfigType type) const;
  [[nodiscard]] std::string scalar(Path path, ConfigType type) const;

  std::string file_;
  std::span<const ConfigKey> schema_;
  std::map<std::string, Value> values_;  // by the path's parts, joined with kSeparator
  std::map<std::string, int> tables_;    // the same, with the line of the table
};

}  // namespace bk
