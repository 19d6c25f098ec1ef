// What a PHP configuration file (wp-config.php, LocalSettings.php) says in plain words, found without running
// it: define('NAME', value), const NAME = value, $name = value, where the value is made of literals, of what
// was said before, and of '.', __DIR__, dirname(__FILE__).
//
// A value that is anything else (getenv(), a function, another file's) is known to be there and unknown; so
// is one that differs between branches of an if.  Tolerant: what is not understood is passed over.  Pure;
// memory and time are bounded by the text's length.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace bk::client {

inline constexpr std::size_t kMaxPhpBytes = 1U << 20U;

class PhpConfig {
 public:
  // `directory` is what __DIR__ stands for; `known` variables are there beforehand ($IP of MediaWiki).
  // Text above kMaxPhpBytes: throws Config.
  PhpConfig(std::string_view text, const std::string& directory,
            const std::map<std::string, std::string>& known = {});

  // Nothing: not in the file.  A value that is in the file and unknown: throws Config, which says so.
  [[nodiscard]] std::optional<std::string> constant(const std::string& name) const;
  [[nodiscard]] std::optional<std::string> variable(const std::string& name) const;  // without the '$'

 private:
  using Values = std::map<std::string, std::optional<std::string>>;
  friend class PhpReader;
  Values constants_, variables_;
};

}  // namespace bk::client
