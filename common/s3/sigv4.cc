#include "common/s3/sigv4.h"

#include "common/digest/hasher.h"
#include "common/text/ascii.h"
#include "common/text/escape.h"

#include <fmt/format.h>

#include <algorithm>

namespace bk::s3 {
namespace {

bool is_unreserved(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
         c == '_' || c == '~';
}

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

// "20130524T000000Z"
std::string basic_time(Timestamp now) {
  const CivilTime t = to_utc(now.seconds);
  return fmt::format("{:04}{:02}{:02}T{:02}{:02}{:02}Z", t.year, t.month, t.day, t.hour, t.minute, t.second);
}

// Signed with one blank where there are several, and none at the ends; sent as it is.
std::string canonical_value(std::string_view value) {
  std::string out;
  for (const char c : trimmed(value)) {
    if (c != ' ' || out.back() != ' ') out += c;
  }
  return out;
}

std::string canonical_request(const ToSign& request, const std::map<std::string, std::string>& headers,
                              std::string& signed_names) {
  std::string lines;
  for (const auto& [name, value] : headers) {
    lines += name + ":" + canonical_value(value) + "\n";
    signed_names += (signed_names.empty() ? "" : ";") + name;
  }
  return request.method + "\n" + request.path + "\n" + query_string(request.parameters) + "\n" + lines +
         "\n" + signed_names + "\n" + request.payload_sha256;
}

}  // namespace

std::string uri_encode(std::string_view bytes, bool keep_slash) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string out;
  for (const char c : bytes) {
    if (is_unreserved(c) || (c == '/' && keep_slash)) {
      out += c;
    } else {
      const auto value = static_cast<unsigned char>(c);
      out += {'%', kDigits[value >> 4U], kDigits[value & 15U]};
    }
  }
  return out;
}

std::string uri_decode(std::string_view text, bool& good) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+') {
      out += ' ';
    } else if (text[i] != '%') {
      out += text[i];
    } else {
      const int high = i + 2 < text.size() ? hex_value(text[i + 1]) : -1;
      const int low = i + 2 < text.size() ? hex_value(text[i + 2]) : -1;
      if (high < 0 || low < 0) {
        good = false;
        return {};
      }
      out += static_cast<char>(high * 16 + low);
      i += 2;
    }
  }
  good = true;
  return out;
}

std::string query_string(const Parameters& parameters) {
  std::vector<std::string> parts;
  for (const auto& [key, value] : parameters)
    parts.push_back(uri_encode(key, false) + "=" + uri_encode(value, false));
  std::sort(parts.begin(), parts.end());
  std::string out;
  for (const std::string& part : parts) out += (out.empty() ? "" : "&") + part;
  return out;
}

std::map<std::string, std::string> sign(const ToSign& request, const Credentials& credentials,
                                        std::string_view region, Timestamp now) {
  const std::string time = basic_time(now);
  const std::string day = time.substr(0, 8);
  std::map<std::string, std::string> headers = request.headers;
  headers["x-amz-date"] = time;
  headers["x-amz-content-sha256"] = request.payload_sha256;
  if (!credentials.session_token.empty()) headers["x-amz-security-token"] = credentials.session_token;
  headers["host"] = request.host;
  std::string names;
  const std::string canonical = canonical_request(request, headers, names);
  const std::string scope = fmt::format("{}/{}/s3/aws4_request", day, region);
  const std::string to_sign =
      fmt::format("AWS4-HMAC-SHA256\n{}\n{}\n{}", time, scope, Sha256::of(canonical).hex());
  std::string key = "AWS4" + credentials.secret_key;
  for (const std::string_view part :
       {std::string_view(day), region, std::string_view("s3"), std::string_view("aws4_request")})
    key = hmac_sha256_of(key, part);
  headers.erase("host");
  headers["authorization"] =
      fmt::format("AWS4-HMAC-SHA256 Credential={}/{},SignedHeaders={},Signature={}", credentials.access_key,
                  scope, names, hex_encode(hmac_sha256_of(key, to_sign)));
  return headers;
}

}  // namespace bk::s3
