#include "server/store/checkpoint.h"

#include "common/error/error.h"
#include "common/path/names.h"
#include "common/text/document.h"
#include "common/text/escape.h"

namespace bk::store {
namespace {

[[noreturn]] void refuse(const std::string& why) { throw Error(Kind::Protocol, why); }

std::string safe(const Document& doc, std::string_view key) {
  std::string value = doc.get(key);
  if (!is_safe_name(value))
    refuse(std::string(key) + ": " + quoted(value.substr(0, 80)) + " is not a safe name");
  return value;
}

Timestamp time_of(const Document& doc, std::string_view key) {
  const std::optional<Timestamp> time = parse_timestamp(doc.get(key));
  if (!time) refuse(std::string(key) + " is not a time");
  return *time;
}

}  // namespace

std::string write_checkpoint(const CheckpointRecord& record) {
  Document doc("bk-checkpoint", 1);
  doc.add("client", record.client).add("module", record.module).add("method", record.method);
  doc.add("name", record.name);
  doc.add("began", to_text(record.began)).add("saved", to_text(record.saved));
  doc.add("node", record.node.hex()).add("subdirectories", record.has_subdirectories ? 1U : 0U);
  return doc.write();
}

CheckpointRecord parse_checkpoint(std::string_view text) {
  const Document doc = Document::parse(text, "bk-checkpoint");
  doc.allow_only({"client", "module", "method", "name", "began", "saved", "node", "subdirectories"});
  CheckpointRecord out;
  out.client = safe(doc, "client");
  out.module = safe(doc, "module");
  out.method = safe(doc, "method");
  out.name = doc.get("name");
  out.began = time_of(doc, "began");
  out.saved = time_of(doc, "saved");
  const std::optional<Digest> node = Digest::from_hex(doc.get("node"));
  if (!node) refuse("node is not a digest");
  out.node = *node;
  out.has_subdirectories = doc.get_number("subdirectories", 1) == 1;
  return out;
}

}  // namespace bk::store
