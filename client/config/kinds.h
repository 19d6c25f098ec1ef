// The modules that come with Backline, and the keys that only some of them have.  Internal to client/config.
#pragma once

#include "common/config/config.h"

#include <span>
#include <string>
#include <string_view>

namespace bk::client {

struct BuiltIn {
  std::string_view module, program, argument, method;
  bool lists = false;  // `program --list` names what backup_it asks for; else the configured paths do
};
[[nodiscard]] std::span<const BuiltIn> built_in_modules();
[[nodiscard]] const BuiltIn* find_kind(std::string_view kind);
[[nodiscard]] std::string kind_names();

// A key of [module.NAME] that stands in the schema, too, and has a meaning for these kinds only.
struct KindKey {
  std::string_view key;
  ConfigType type;
  std::string_view kinds;  // "mysql postgres"
  bool is_path = false;    // Text: an absolute path or nothing
};
[[nodiscard]] std::span<const KindKey> kind_keys();
[[nodiscard]] bool has_key(const KindKey& row, std::string_view kind);

}  // namespace bk::client
