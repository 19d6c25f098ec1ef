// EXPORT.txt: which entry of an exported folder is which snapshot of which source (docs/formats/export.md).
#pragma once

#include "common/time/time.h"

#include <string>
#include <string_view>
#include <vector>

namespace bk {

struct ExportedEntry {
  std::string entry;  // its name in the folder
  std::string client, module, method, path, snapshot;
  Timestamp began;
  bool operator==(const ExportedEntry&) const = default;
};

[[nodiscard]] std::string write_export_list(const std::vector<ExportedEntry>& entries);
[[nodiscard]] std::vector<ExportedEntry> parse_export_list(std::string_view text);  // throws Protocol

}  // namespace bk
