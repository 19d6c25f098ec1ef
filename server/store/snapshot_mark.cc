#include "server/store/snapshot_mark.h"

#include "common/error/error.h"
#include "common/path/names.h"
#include "common/text/document.h"
#include "common/text/escape.h"

namespace bk::store {
namespace {

std::string hex_key(const Document& doc, std::string_view key, std::size_t digits) {
  const std::string value = doc.get(key);
  const std::optional<std::string> bytes = hex_decode(value);
  if (value.size() != digits || !bytes || hex_encode(*bytes) != value)
    throw Error(Kind::Protocol,
                std::string(key) + " is not " + std::to_string(digits) + " lower-case hex digits");
  return value;
}

Timestamp time_key(const Document& doc, std::string_view key) {
  const std::optional<Timestamp> time = parse_timestamp(doc.get(key));
  if (!time) throw Error(Kind::Protocol, std::string(key) + " is not a time");
  return *time;
}

}  // namespace

std::string to_word(MarkKind kind) {
  switch (kind) {
    case MarkKind::Hold:
      return "hold";
    case MarkKind::Release:
      return "release";
    case MarkKind::Gone:
      return "gone";
    case MarkKind::Removal:
      break;
  }
  return "removal";
}

std::string write_mark(const SnapshotMark& mark) {
  Document doc("bk-" + to_word(mark.kind), 1);
  doc.add("client", mark.client).add("snapshot", mark.snapshot).add("line", mark.line);
  doc.add("source", mark.source).add("sequence", mark.sequence);
  doc.add("began", to_text(mark.began)).add("at", to_text(mark.at));
  doc.add_if("by", mark.by).add_if("reason", mark.reason).add("previous", mark.previous);
  return doc.write();
}

SnapshotMark parse_mark(MarkKind kind, std::string_view text) {
  const Document doc = Document::parse(text, "bk-" + to_word(kind));
  doc.allow_only(
      {"client", "snapshot", "line", "source", "sequence", "began", "at", "by", "reason", "previous"});
  SnapshotMark out;
  out.kind = kind;
  out.client = doc.get("client");
  if (!is_safe_name(out.client)) throw Error(Kind::Protocol, "client is no safe name");
  out.snapshot = hex_key(doc, "snapshot", 64);
  out.source = hex_key(doc, "source", 32);
  out.line = doc.get_number("line");
  out.sequence = doc.get_number("sequence");
  out.began = time_key(doc, "began");
  out.at = time_key(doc, "at");
  out.by = doc.find("by").value_or("");
  out.reason = doc.find("reason").value_or("");
  if (out.by.size() > kMaxReasonBytes || out.reason.size() > kMaxReasonBytes)
    throw Error(Kind::Protocol, "by or reason is longer than " + std::to_string(kMaxReasonBytes) + " bytes");
  out.previous = doc.get("previous") == "none" ? "none" : hex_key(doc, "previous", 64);
  return out;
}

}  // namespace bk::store
