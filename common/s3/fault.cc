#include "common/s3/fault.h"

#include "common/text/escape.h"
#include "common/text/number.h"

#include <fmt/format.h>

#include <algorithm>

namespace bk::s3 {
namespace {

[[noreturn]] void refuse(const std::string& why) {
  throw Error(Kind::Protocol, "the object store's answer: " + why);
}

std::uint64_t number_in(std::string_view text, const char* what) {
  const std::optional<std::uint64_t> value = parse_int<std::uint64_t>(text);
  if (!value) refuse(fmt::format("{} {}", what, quoted(text)));
  return *value;
}

// "bytes 5-9/10" -> 10; a 200 says it as Content-Length.
std::uint64_t whole_bytes(const http::Response& response) {
  if (response.status == 206) {
    const std::string range = response.header("content-range");
    return number_in(std::string_view(range).substr(std::min(range.size(), range.rfind('/') + 1)),
                     "a Content-Range of");
  }
  const std::string length = response.header("content-length");
  return length.empty() ? 0 : number_in(length, "a Content-Length of");
}

struct Advice {
  std::string_view code;
  Kind kind;
  std::string_view words;  // {key} {from} {region} {endpoint} {bucket} {time} {there} {needs}
};
constexpr Advice kAdvice[] = {
    {"SignatureDoesNotMatch", Kind::Refused, "the secret key is not the one of access key {key}{from}"},
    {"InvalidAccessKeyId", Kind::Refused, "the store does not know access key {key}{from}"},
    {"ExpiredToken", Kind::Refused, "the session token of access key {key}{from} has expired"},
    {"InvalidToken", Kind::Refused, "the session token of access key {key}{from} is not valid"},
    {"RequestTimeTooSkewed", Kind::Config,
     "this machine's clock differs from the store's ({time}) by more than 15 minutes: set it"},
    {"NoSuchBucket", Kind::NotFound, "there is no bucket {bucket} at {endpoint}"},
    {"NoSuchKey", Kind::NotFound, "there is no such object"},
    {"AccessDenied", Kind::Refused, "denied: access key {key} needs {needs}"},
    {"AllAccessDisabled", Kind::Refused, "all access to bucket {bucket} is disabled"},
    {"PermanentRedirect", Kind::Config, "the bucket lies elsewhere{there}: correct region and endpoint"},
    {"TemporaryRedirect", Kind::Transient, "the bucket is being moved{there}"},
    {"AuthorizationHeaderMalformed", Kind::Config, "region {region} is not the bucket's{there}"},
    {"InvalidObjectState", Kind::Refused, "the object is archived: restore it in the store first"},
    {"EntityTooLarge", Kind::Refused, "the object is larger than the store takes in one piece"},
    {"QuotaExceeded", Kind::Refused, "the store's quota is used up"},
    {"SlowDown", Kind::Transient, "the store asks to be slower"},
};

// What the call that failed needs; a put looks first whether the object is there.
std::string_view rights_for(std::string_view doing) {
  if (doing.starts_with("PUT ") || doing.starts_with("POST ")) return "s3:PutObject on the bucket's objects";
  if (doing.starts_with("DELETE ")) return "s3:DeleteObject on the bucket's objects";
  return "s3:ListBucket on the bucket and s3:GetObject on its objects";
}

std::string filled(std::string_view words, const Failed& failed) {
  std::string out;
  const std::string from = failed.credentials_file.empty() ? "" : ", from " + quoted(failed.credentials_file);
  const std::string there = failed.fault.region.empty() ? "" : ", in region " + quoted(failed.fault.region);
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::size_t end = words[i] == '{' ? words.find('}', i) : std::string_view::npos;
    if (end == std::string_view::npos) {
      out += words[i];
      continue;
    }
    const std::string_view name = words.substr(i + 1, end - i - 1);
    out += name == "key"        ? quoted(failed.access_key)
           : name == "from"     ? from
           : name == "needs"    ? std::string(rights_for(failed.doing))
           : name == "region"   ? quoted(failed.region)
           : name == "endpoint" ? failed.endpoint
           : name == "bucket"   ? quoted(failed.bucket)
           : name == "time"     ? quoted(failed.server_time)
                                : there;
    i = end;
  }
  return out;
}

Kind kind_of_status(int status) {
  if (status == 429 || status >= 500) return Kind::Transient;
  if (status == 401 || status == 403) return Kind::Refused;
  if (status == 404) return Kind::NotFound;
  if (status >= 300 && status < 400) return Kind::Config;
  return Kind::Protocol;
}

const Advice* find_advice(std::string_view code) {
  const auto* at = std::find_if(std::begin(kAdvice), std::end(kAdvice),
                                [&](const Advice& advice) { return advice.code == code; });
  return at == std::end(kAdvice) ? nullptr : at;
}

// What an answer without a body most likely means.
std::string words_of_status(const Failed& failed) {
  const int status = failed.status;
  const Advice* advice = find_advice(status == 403                    ? "AccessDenied"
                                     : status == 404                  ? "NoSuchBucket"
                                     : status == 301 || status == 307 ? "PermanentRedirect"
                                                                      : "");
  return advice == nullptr ? "the store does not say why" : filled(advice->words, failed);
}

}  // namespace

std::string ObjectFacts::md5() const {
  const bool plain =
      etag.size() == 32 && etag.find_first_not_of("0123456789abcdefABCDEF") == std::string::npos;
  if (!plain || !(encryption.empty() || encryption == "AES256")) return {};
  std::string out = etag;
  std::transform(out.begin(), out.end(), out.begin(),
                 [](char c) { return c >= 'A' && c <= 'F' ? static_cast<char>(c - 'A' + 'a') : c; });
  return out;
}

ObjectFacts facts_of(const http::Response& response) {
  ObjectFacts out;
  out.bytes = whole_bytes(response);
  out.etag = response.header("etag");
  std::erase(out.etag, '"');
  out.version = response.header("x-amz-version-id");
  if (out.version == "null") out.version.clear();
  out.content_type = response.header("content-type");
  out.content_encoding = response.header("content-encoding");
  out.content_disposition = response.header("content-disposition");
  out.content_language = response.header("content-language");
  out.cache_control = response.header("cache-control");
  out.expires = response.header("expires");
  out.storage_class = response.header("x-amz-storage-class");
  out.encryption = response.header("x-amz-server-side-encryption");
  if (!response.header("x-amz-server-side-encryption-customer-algorithm").empty())
    out.encryption = "customer";
  out.modified = parse_http_date(response.header("last-modified")).value_or(Timestamp{});
  const bool composite = response.header("x-amz-checksum-type") == "COMPOSITE";
  for (const auto& [name, value] : response.headers) {
    if (name.starts_with("x-amz-meta-")) out.metadata[name.substr(11)] = value;
    if (name.starts_with("x-amz-checksum-") && name != "x-amz-checksum-type" && !composite &&
        value.find('-') == std::string::npos)
      out.checksums[name.substr(15)] = value;
  }
  return out;
}

std::uint64_t range_begin(const http::Response& response) {
  if (response.status != 206) return 0;
  const std::string range = response.header("content-range");
  const std::size_t blank = range.find(' ');
  const std::size_t dash = range.find('-');
  if (blank == std::string::npos || dash == std::string::npos || dash < blank)
    refuse("a Content-Range of " + quoted(range));
  return number_in(std::string_view(range).substr(blank + 1, dash - blank - 1), "a Content-Range of");
}

Error fault_error(const Failed& failed) {
  const std::string& code = failed.fault.code;
  if (const Advice* advice = find_advice(code))
    return Error(advice->kind, fmt::format("{}: {} ({})", failed.doing, filled(advice->words, failed), code));
  const std::string said =
      failed.fault.message.empty() ? words_of_status(failed) : quoted(failed.fault.message);
  return Error(kind_of_status(failed.status),
               fmt::format("{}: {} (status {}{}{})", failed.doing, said, failed.status,
                           code.empty() ? "" : ", ", code.empty() ? "" : quoted(code)));
}

std::optional<Timestamp> parse_http_date(std::string_view text) {
  constexpr std::string_view kMonths = "JanFebMarAprMayJunJulAugSepOctNovDec";
  if (text.size() != 29 || text.substr(25) != " GMT" || text[3] != ',') return std::nullopt;
  const auto two = [&](std::size_t at) {
    const char a = text[at], b = text[at + 1];
    return a >= '0' && a <= '9' && b >= '0' && b <= '9' ? (a - '0') * 10 + (b - '0') : -1;
  };
  const std::size_t month = kMonths.find(text.substr(8, 3));
  const int parts[] = {two(5), two(12), two(14), two(17), two(20), two(23)};
  if (month == std::string_view::npos || month % 3 != 0 ||
      std::any_of(std::begin(parts), std::end(parts), [](int p) { return p < 0; }))
    return std::nullopt;
  const std::optional<std::int64_t> seconds = from_utc(
      {parts[1] * 100 + parts[2], static_cast<int>(month / 3) + 1, parts[0], parts[3], parts[4], parts[5]});
  if (!seconds) return std::nullopt;
  return Timestamp{*seconds, 0};
}

}  // namespace bk::s3
