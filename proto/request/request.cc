#include "proto/request/request.h"

#include "common/digest/sha256.h"
#include "common/error/error.h"
#include "common/path/names.h"
#include "common/text/document.h"
#include "common/text/escape.h"

#include <algorithm>

namespace bk::proto {
namespace {

constexpr std::size_t kLongestFileName = 255;
constexpr std::size_t kIdDigits = 32;

[[noreturn]] void refuse(const std::string& why) { throw Error(Kind::Protocol, why); }

std::string safe_name(const Document& doc, std::string_view key) {
  std::string value = doc.get(key);
  if (!is_safe_name(value))
    refuse(std::string(key) + ": " + quoted(value.substr(0, 80)) + " is not a safe name");
  return value;
}

std::string clean_path(const Document& doc, std::string_view key) {
  std::string value = doc.get(key);
  if (value.size() > kMaxNameBytes)
    refuse(std::string(key) + ": longer than " + std::to_string(kMaxNameBytes) + " bytes");
  if (!is_clean_absolute(value))
    refuse(std::string(key) + ": " + quoted(value.substr(0, 200)) +
           " is not an absolute path without \"..\", \".\" and empty parts");
  return value;
}

Timestamp time_of(const std::string& key, const std::string& text) {
  const std::optional<Timestamp> time = parse_timestamp(text);
  if (!time) refuse(key + ": " + quoted(text.substr(0, 80)) + " is not a time");
  return *time;
}

bool is_hex(std::string_view text, std::size_t digits) {
  return text.size() == digits && std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
}

bool is_stem(std::string_view stem) {
  const std::size_t colon = stem.find(':');
  if (colon == std::string_view::npos || !is_safe_name(stem.substr(0, colon))) return false;
  const std::string_view part = stem.substr(colon + 1);
  if (part.starts_with('~')) return is_hex(part.substr(1), 64);
  const std::optional<std::string> name = base64url_decode(part);
  return name && is_clean_absolute(*name);
}

}  // namespace

bool is_request_id(std::string_view text) { return is_hex(text, kIdDigits); }

std::string write_request(const Request& r) {
  Document doc("bk-request", 1);
  doc.add("id", r.id)
      .add("counter", r.counter)
      .add("client", r.client)
      .add("module", r.module)
      .add("name", r.name);
  doc.add("method", r.method).add("place", r.place).add("requested", to_text(r.requested));
  if (r.prepared) doc.add("prepared", to_text(*r.prepared));
  if (r.archive_bytes) doc.add("archive-bytes", *r.archive_bytes).add("archive-sha256", r.archive_sha256);
  if (r.skipped_count != 0) doc.add("skipped-count", r.skipped_count);
  for (const std::string& entry : r.skipped) doc.add("skipped", entry);
  return doc.write();
}

Request parse_request(std::string_view text) {
  if (text.size() > kMaxRequestBytes) refuse("larger than " + std::to_string(kMaxRequestBytes) + " bytes");
  const Document doc = Document::parse(text, "bk-request");
  doc.allow_only({"id", "counter", "client", "module", "name", "method", "place", "requested", "prepared",
                  "archive-bytes", "archive-sha256", "skipped-count", "skipped"});
  Request r;
  r.id = doc.get("id");
  if (!is_request_id(r.id)) refuse("id: not 32 lower-case hex digits");
  r.counter = doc.get_number("counter");
  if (r.counter == 0) refuse("counter: must be at least 1");
  r.client = safe_name(doc, "client");
  r.module = safe_name(doc, "module");
  r.name = clean_path(doc, "name");
  r.method = safe_name(doc, "method");
  r.place = clean_path(doc, "place");
  r.requested = time_of("requested", doc.get("requested"));
  if (const std::optional<std::string> prepared = doc.find("prepared"))
    r.prepared = time_of("prepared", *prepared);
  r.archive_bytes = doc.find_number("archive-bytes");
  r.archive_sha256 = doc.find("archive-sha256").value_or("");
  if (r.archive_bytes.has_value() != !r.archive_sha256.empty())
    refuse("archive-bytes and archive-sha256 go together");
  if (r.archive_bytes && !is_hex(r.archive_sha256, 64))
    refuse("archive-sha256: not 64 lower-case hex digits");
  if (r.method == "sftp" && !r.archive_bytes) refuse("method sftp needs archive-bytes and archive-sha256");
  r.skipped_count = doc.find_number("skipped-count").value_or(0);
  r.skipped = doc.all("skipped");
  if (r.skipped.size() > kMaxRequestSkipped || r.skipped.size() > r.skipped_count)
    refuse("skipped: more entries than a request may show or counts");
  for (const std::string& entry : r.skipped) {
    if (entry.empty() || entry.size() > kMaxRequestSkippedBytes) refuse("skipped: an entry of a bad length");
  }
  return r;
}

std::string request_stem(std::string_view module, std::string_view name) {
  const std::string encoded = base64url_encode(name);
  // The longest file name made from a stem is "F<stem>.<id>".
  const std::size_t longest = 1 + module.size() + 1 + encoded.size() + 1 + kIdDigits;
  return std::string(module) + ":" + (longest <= kLongestFileName ? encoded : "~" + Sha256::of(name).hex());
}

std::optional<StateName> parse_state_name(std::string_view file_name) {
  StateName out;
  if (file_name.starts_with("RQ") && is_stem(file_name.substr(2))) {
    out.state = "RQ";
    out.stem = file_name.substr(2);
    return out;
  }
  if (file_name.size() < 2 || std::string_view("iCPF").find(file_name.front()) == std::string_view::npos)
    return std::nullopt;
  out.state = file_name.substr(0, 1);
  std::string_view rest = file_name.substr(1);
  if (out.state == "F" && rest.size() > kIdDigits + 1 && rest[rest.size() - kIdDigits - 1] == '.' &&
      is_request_id(rest.substr(rest.size() - kIdDigits))) {
    out.id = rest.substr(rest.size() - kIdDigits);
    rest.remove_suffix(kIdDigits + 1);
  }
  if (!is_stem(rest)) return std::nullopt;
  out.stem = rest;
  return out;
}

}  // namespace bk::proto
