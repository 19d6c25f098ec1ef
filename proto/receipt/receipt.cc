#include "proto/receipt/receipt.h"

#include "common/digest/sha256.h"
#include "common/error/error.h"
#include "common/text/document.h"
#include "common/text/escape.h"
#include "proto/request/request.h"

#include <array>
#include <utility>

namespace bk::proto {
namespace {

constexpr std::array<std::pair<Outcome, std::string_view>, 5> kWords{{{Outcome::Taken, "taken"},
                                                                      {Outcome::Ok, "ok"},
                                                                      {Outcome::Partial, "partial"},
                                                                      {Outcome::Refused, "refused"},
                                                                      {Outcome::Failed, "failed"}}};

Outcome outcome_of(const std::string& word) {
  for (const auto& [outcome, text] : kWords) {
    if (text == word) return outcome;
  }
  throw Error(Kind::Protocol, "outcome: unknown word " + quoted(word.substr(0, 80)));
}

}  // namespace

std::string_view to_word(Outcome outcome) {
  for (const auto& [value, text] : kWords) {
    if (value == outcome) return text;
  }
  return "failed";
}

bool is_final(Outcome outcome) { return outcome != Outcome::Taken; }

std::string write_receipt(const Receipt& r) {
  Document doc("bk-receipt", 1);
  doc.add("id", r.id)
      .add("outcome", to_word(r.outcome))
      .add("time", to_text(r.time))
      .add_if("reason", r.reason);
  doc.add("status", static_cast<std::uint64_t>(r.status)).add_if("snapshot", r.snapshot);
  doc.add("files", r.files).add("bytes", r.bytes).add("skipped-count", r.skipped_count);
  for (std::size_t i = 0; i < r.skipped.size() && i < kMaxSkippedShown; ++i) doc.add("skipped", r.skipped[i]);
  return doc.write();
}

Receipt parse_receipt(std::string_view text) {
  if (text.size() > kMaxReceiptBytes)
    throw Error(Kind::Protocol, "receipt larger than " + std::to_string(kMaxReceiptBytes) + " bytes");
  const Document doc = Document::parse(text, "bk-receipt");
  doc.allow_only({"id", "outcome", "time", "reason", "status", "snapshot", "files", "bytes", "skipped-count",
                  "skipped"});
  Receipt r;
  r.id = doc.get("id");
  if (!is_request_id(r.id)) throw Error(Kind::Protocol, "id: not 32 lower-case hex digits");
  r.outcome = outcome_of(doc.get("outcome"));
  const std::optional<Timestamp> time = parse_timestamp(doc.get("time"));
  if (!time) throw Error(Kind::Protocol, "time: not a time");
  r.time = *time;
  r.reason = doc.find("reason").value_or("");
  r.status = static_cast<int>(doc.get_number("status", 255));
  r.snapshot = doc.find("snapshot").value_or("");
  if (!r.snapshot.empty() && !Digest::from_hex(r.snapshot))
    throw Error(Kind::Protocol, "snapshot: not 64 hex digits");
  r.files = doc.find_number("files").value_or(0);
  r.bytes = doc.find_number("bytes").value_or(0);
  r.skipped_count = doc.find_number("skipped-count").value_or(0);
  r.skipped = doc.all("skipped");
  return r;
}

}  // namespace bk::proto
