#include "common/restore/export_list.h"

#include "common/error/error.h"
#include "common/text/document.h"

namespace bk {

std::string write_export_list(const std::vector<ExportedEntry>& entries) {
  Document document("bk-export", 1);
  for (const ExportedEntry& e : entries) {
    document.add("entry", e.entry).add("client", e.client).add("module", e.module).add("method", e.method);
    document.add("path", e.path).add("began", to_text(e.began)).add("snapshot", e.snapshot);
  }
  return document.write();
}

std::vector<ExportedEntry> parse_export_list(std::string_view text) {
  const Document document = Document::parse(text, "bk-export");
  document.allow_only({"entry", "client", "module", "method", "path", "began", "snapshot"});
  std::vector<ExportedEntry> out;
  for (const Document::Field& field : document.fields()) {
    if (field.key == "entry") {
      out.emplace_back().entry = field.value;
      continue;
    }
    if (out.empty())
      throw Error(Kind::Protocol, "line " + std::to_string(field.line) + ": \"entry\" comes first");
    ExportedEntry& e = out.back();
    if (field.key == "client") e.client = field.value;
    if (field.key == "module") e.module = field.value;
    if (field.key == "method") e.method = field.value;
    if (field.key == "path") e.path = field.value;
    if (field.key == "snapshot") e.snapshot = field.value;
    if (field.key != "began") continue;
    const std::optional<Timestamp> time = parse_timestamp(field.value);
    if (!time) throw Error(Kind::Protocol, "line " + std::to_string(field.line) + ": not a time");
    e.began = *time;
  }
  return out;
}

}  // namespace bk
