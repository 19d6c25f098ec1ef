#include "client/request/queued.h"

#include "common/error/error.h"
#include "common/path/names.h"
#include "common/text/document.h"
#include "common/text/escape.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace bk::client {
namespace {

constexpr std::array<std::string_view, 6> kSteps{"waiting", "preparing", "prepared", "sent", "taken", "done"};

[[noreturn]] void refuse(const std::string& why) { throw Error(Kind::Protocol, why); }

std::string safe(const Document& doc, std::string_view key, bool may_be_absent) {
  const std::string value = may_be_absent ? doc.find(key).value_or("") : doc.get(key);
  if (!(may_be_absent && value.empty()) && !is_safe_name(value))
    refuse(std::string(key) + ": " + quoted(value) + " is not a name");
  return value;
}

std::string clean(const Document& doc, std::string_view key, bool may_be_absent) {
  const std::string value = may_be_absent ? doc.find(key).value_or("") : doc.get(key);
  if (!(may_be_absent && value.empty()) && !is_clean_absolute(value))
    refuse(std::string(key) + ": " + quoted(value) + " is not a clean absolute path");
  return value;
}

std::optional<Timestamp> find_time(const Document& doc, std::string_view key) {
  const std::optional<std::string> text = doc.find(key);
  if (!text) return std::nullopt;
  const std::optional<Timestamp> time = parse_timestamp(*text);
  if (!time) refuse(std::string(key) + ": " + quoted(*text) + " is not a time");
  return time;
}

std::string id_of(const std::string& text) {
  if (!proto::is_request_id(text)) refuse(quoted(text) + " is not a request's id");
  return text;
}

void add_prepared(Document& doc, const proto::Request& r) {
  doc.add_if("method", r.method).add_if("place", r.place);
  if (r.prepared) doc.add("prepared", to_text(*r.prepared));
  if (r.archive_bytes) doc.add("archive-bytes", *r.archive_bytes).add("archive-sha256", r.archive_sha256);
  if (r.skipped_count != 0) doc.add("source-skipped", r.skipped_count);
  for (const std::string& entry : r.skipped) doc.add("source-entry", entry);
}

void read_prepared(const Document& doc, proto::Request& r, bool may_be_absent) {
  r.method = safe(doc, "method", may_be_absent);
  r.place = clean(doc, "place", may_be_absent);
  r.prepared = find_time(doc, "prepared");
  r.archive_bytes = doc.find_number("archive-bytes");
  r.archive_sha256 = doc.find("archive-sha256").value_or("");
  if (r.archive_bytes.has_value() != !r.archive_sha256.empty())
    refuse("archive-bytes and archive-sha256 go together");
  r.skipped_count = doc.find_number("source-skipped").value_or(0);
  r.skipped = doc.all("source-entry");
}

Step step_of(const std::string& word) {
  const auto* at = std::find(kSteps.begin(), kSteps.end(), word);
  if (at == kSteps.end()) refuse("step: " + quoted(word) + " is none that exists");
  return static_cast<Step>(at - kSteps.begin());
}

}  // namespace

std::string_view to_word(Step step) { return kSteps[static_cast<std::size_t>(step)]; }

bool Queued::answers(std::string_view id) const {
  return request.id == id || std::find(joined.begin(), joined.end(), id) != joined.end();
}

std::string write_queued(const Queued& item) {
  const proto::Request& r = item.request;
  Document doc("bk-queued", 1);
  doc.add("id", r.id).add("server", item.server).add("client", r.client);
  doc.add("module", r.module).add("name", r.name).add("requested", to_text(r.requested));
  doc.add("step", to_word(item.step));
  if (r.counter != 0) doc.add("counter", r.counter);
  for (const std::string& id : item.joined) doc.add("joined", id);
  if (item.attempts != 0) doc.add("attempts", item.attempts);
  if (item.not_before) doc.add("not-before", to_text(*item.not_before));
  doc.add_if("reason", item.reason).add_if("token", item.token);
  add_prepared(doc, r);
  if (item.outcome) doc.add("outcome", proto::write_receipt(*item.outcome));
  return doc.write();
}

Queued parse_queued(std::string_view text) {
  const Document doc = Document::parse(text, "bk-queued");
  doc.allow_only({"id",         "server",        "client",         "module",         "name",
                  "requested",  "step",          "counter",        "joined",         "attempts",
                  "not-before", "reason",        "token",          "method",         "place",
                  "prepared",   "archive-bytes", "archive-sha256", "source-skipped", "source-entry",
                  "outcome"});
  Queued item;
  proto::Request& r = item.request;
  r.id = id_of(doc.get("id"));
  item.server = safe(doc, "server", false);
  r.client = safe(doc, "client", false);
  r.module = safe(doc, "module", false);
  r.name = clean(doc, "name", false);
  const std::optional<Timestamp> requested = find_time(doc, "requested");
  if (!requested) refuse("key \"requested\" is missing");
  r.requested = *requested;
  item.step = step_of(doc.get("step"));
  r.counter = doc.find_number("counter").value_or(0);
  for (const std::string& id : doc.all("joined")) item.joined.push_back(id_of(id));
  item.attempts = static_cast<unsigned>(doc.find_number("attempts", 1000000).value_or(0));
  item.not_before = find_time(doc, "not-before");
  item.reason = doc.find("reason").value_or("");
  item.token = doc.find("token").value_or("");
  const bool ready = item.step == Step::Prepared || item.step == Step::Sent || item.step == Step::Taken;
  read_prepared(doc, r, !ready);
  if (const std::optional<std::string> outcome = doc.find("outcome"))
    item.outcome = proto::parse_receipt(*outcome);
  if ((item.step == Step::Done) != item.outcome.has_value()) refuse("an outcome goes with step done");
  return item;
}

std::string write_ready(const Ready& ready) {
  Document doc("bk-ready", 1);
  proto::Request r;
  r.method = ready.method;
  r.place = ready.place;
  r.prepared = ready.prepared;
  r.archive_bytes = ready.archive_bytes;
  r.archive_sha256 = ready.archive_sha256;
  r.skipped_count = ready.skipped_count;
  r.skipped = ready.skipped;
  add_prepared(doc, r);
  return doc.write();
}

Ready parse_ready(std::string_view text) {
  const Document doc = Document::parse(text, "bk-ready");
  doc.allow_only(
      {"method", "place", "prepared", "archive-bytes", "archive-sha256", "source-skipped", "source-entry"});
  proto::Request r;
  read_prepared(doc, r, false);
  if (!r.prepared) refuse("key \"prepared\" is missing");
  return {r.method, r.place, *r.prepared, r.archive_bytes, r.archive_sha256, r.skipped_count, r.skipped};
}

void adopt(Queued& item, const Ready& ready) {
  proto::Request& r = item.request;
  r.method = ready.method;
  r.place = ready.place;
  r.prepared = ready.prepared;
  r.archive_bytes = ready.archive_bytes;
  r.archive_sha256 = ready.archive_sha256;
  r.skipped_count = ready.skipped_count;
  r.skipped = ready.skipped;
  item.step = Step::Prepared;
  item.token.clear();
  item.reason.clear();
  item.not_before.reset();
}

std::chrono::minutes backoff(unsigned attempts) {
  constexpr std::array<int, 4> kMinutes{1, 5, 15, 60};
  return std::chrono::minutes(
      kMinutes.at(std::min<std::size_t>(std::max(attempts, 1U) - 1, kMinutes.size() - 1)));
}

bool note_failure(Queued& item, std::string_view reason, int status, Timestamp now) {
  ++item.attempts;
  item.reason = reason;
  item.token.clear();
  if (item.attempts < kMaxAttempts) {
    item.step = Step::Waiting;
    item.not_before = now.plus(backoff(item.attempts));
    return true;
  }
  proto::Receipt failed;
  failed.id = item.request.id;
  failed.outcome = proto::Outcome::Failed;
  failed.time = now;
  failed.reason = reason;
  failed.status = status;
  item.step = Step::Done;
  item.not_before.reset();
  item.outcome = failed;
  return false;
}

void note_outcome(Queued& item, const proto::Receipt& receipt) {
  item.step = Step::Done;
  item.outcome = receipt;
  const proto::Request& r = item.request;
  // A server that knows of skipped entries counts them itself; one that says "ok" does not.
  if (r.skipped_count == 0 || receipt.outcome != proto::Outcome::Ok) return;
  item.outcome->outcome = proto::Outcome::Partial;
  item.outcome->status = kExitPartial;
  item.outcome->reason = fmt::format("{} entries of the source could not be read", r.skipped_count);
  item.outcome->skipped_count = r.skipped_count;
  item.outcome->skipped = r.skipped;
}

std::string describe(const Queued& item) {
  const proto::Request& r = item.request;
  std::string out = fmt::format("{} {} -> {}: ", r.module, quoted(r.name), item.server);
  if (item.outcome) {
    out += fmt::format("{}", proto::to_word(item.outcome->outcome));
    if (!item.outcome->reason.empty()) out += ": " + item.outcome->reason;
    return out;
  }
  out += to_word(item.step);
  if (item.attempts != 0) out += fmt::format(", {} of {} attempts failed", item.attempts, kMaxAttempts);
  if (item.not_before) out += ", next not before " + to_text(*item.not_before);
  if (!item.reason.empty()) out += ": " + item.reason;
  return out;
}

}  // namespace bk::client
