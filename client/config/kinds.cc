#include "client/config/kinds.h"

#include <algorithm>

namespace bk::client {
namespace {

constexpr BuiltIn kBuiltIn[] = {
    {"git", "backup_git", "", ""},  // repositories by git, their LFS objects by rsync
    {"directories", "backup_dir", "", "rsync"},
    {"trac", "backup_site", "trac", "rsync"},
    {"wiki", "backup_site", "wiki", "rsync"},
    {"wordpress", "backup_site", "wordpress", "rsync"},
    {"s3", "backup_s3", "", "rsync"},
    {"dataverse", "backup_dataverse", "", "rsync"},
    {"mysql", "backup_mysql", "", "rsync", true},
    {"postgres", "backup_postgres", "", "rsync", true},
    {"sqlite", "backup_sqlite", "", "rsync", true},
};

constexpr KindKey kKeys[] = {
    {"credentials", ConfigType::Text, "mysql postgres", true},
    {"databases", ConfigType::TextList, "mysql postgres"},
    {"exclude_databases", ConfigType::TextList, "mysql postgres"},
    {"exclude_tables", ConfigType::TextList, "mysql postgres"},
    {"accounts", ConfigType::Flag, "mysql postgres"},
    {"changes", ConfigType::Flag, "mysql postgres"},
    {"lock_tables", ConfigType::Flag, "mysql"},
    {"lock_wait", ConfigType::Duration, "mysql postgres sqlite trac wiki wordpress"},
    {"host", ConfigType::Text, "postgres"},
    {"port", ConfigType::Number, "postgres"},
    {"user", ConfigType::Text, "postgres"},
    {"format", ConfigType::Text, "postgres"},
    {"xml_dump", ConfigType::Flag, "wiki"},
};

}  // namespace

std::span<const BuiltIn> built_in_modules() { return kBuiltIn; }
std::span<const KindKey> kind_keys() { return kKeys; }

const BuiltIn* find_kind(std::string_view kind) {
  const auto* at = std::find_if(std::begin(kBuiltIn), std::end(kBuiltIn),
                                [&](const BuiltIn& one) { return one.module == kind; });
  return at == std::end(kBuiltIn) ? nullptr : at;
}

std::string kind_names() {
  std::string out;
  for (const BuiltIn& one : kBuiltIn) out += (out.empty() ? "" : ", ") + std::string(one.module);
  return out;
}

bool has_key(const KindKey& row, std::string_view kind) {
  if (kind.empty()) return false;
  const std::string all = " " + std::string(row.kinds) + " ";
  return all.find(" " + std::string(kind) + " ") != std::string::npos;
}

}  // namespace bk::client
