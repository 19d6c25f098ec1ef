#include "server/access/key_limits.h"

#include "common/error/error.h"
#include "common/text/escape.h"
#include "common/text/number.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>

namespace bk::server {
namespace {

constexpr std::size_t kMaxFrom = 1024;

[[noreturn]] void refuse(const std::string& reason) { throw Error(Kind::Config, reason); }

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_pattern_byte(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || is_digit(c) ||
         std::string_view(".:/*?!_-").find(c) != std::string_view::npos;
}

// "10.0.0.0/8", "fd00::/8".
bool is_network(std::string_view text) {
  const std::size_t slash = text.find('/');
  const std::string address(text.substr(0, slash));
  std::array<unsigned char, 16> bytes{};
  const bool four = ::inet_pton(AF_INET, address.c_str(), bytes.data()) == 1;
  if (!four && ::inet_pton(AF_INET6, address.c_str(), bytes.data()) != 1) return false;
  return parse_int<int>(text.substr(slash + 1), 0, four ? 32 : 128).has_value();
}

void check_from(std::string_view value) {
  if (value.empty() || value.size() > kMaxFrom) refuse("from: 1 to 1024 bytes");
  bool admits = false;
  while (true) {
    const std::size_t end = std::min(value.find(','), value.size());
    std::string_view item = value.substr(0, end);
    if (item.starts_with('!'))
      item.remove_prefix(1);
    else
      admits = true;
    if (item.empty() || !std::all_of(item.begin(), item.end(), is_pattern_byte) ||
        item.find('!') != std::string_view::npos ||
        (item.find('/') != std::string_view::npos && !is_network(item)))
      refuse("from: " + quoted(value.substr(0, end)) + " is no address, network or pattern of names");
    if (end == value.size()) break;
    value.remove_prefix(end + 1);
  }
  if (!admits) refuse("from: it only excludes, so nobody could use the key");
}

void check_expiry(std::string_view value) {
  const std::string shown = quoted(value);
  if (value.ends_with('Z')) value.remove_suffix(1);
  const bool has_form = (value.size() == 8 || value.size() == 12 || value.size() == 14) &&
                        std::all_of(value.begin(), value.end(), is_digit);
  const auto part = [&](std::size_t at, std::size_t size, int least, int most) {
    if (value.size() <= at) return true;
    int number = 0;
    for (const char c : value.substr(at, size)) number = number * 10 + (c - '0');
    return number >= least && number <= most;
  };
  if (!has_form || !part(0, 4, 1970, 9999) || !part(4, 2, 1, 12) || !part(6, 2, 1, 31) ||
      !part(8, 2, 0, 23) || !part(10, 2, 0, 59) || !part(12, 2, 0, 59))
    refuse("expiry-time: " + shown + " is no YYYYMMDD[HHMM[SS]][Z]");
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

}  // namespace

KeyLimits parse_key_limits(std::string_view text) {
  KeyLimits limits;
  while (true) {
    const std::size_t sign = text.find("=\"");
    const std::string name = lower(text.substr(0, std::min(text.find_first_of("=,"), text.size())));
    std::string* value = name == "from" ? &limits.from : name == "expiry-time" ? &limits.expiry : nullptr;
    if (value == nullptr || sign != name.size())
      refuse("the option " + quoted(name.substr(0, 80)) +
             " before a key is not allowed here; there are from=\"…\" and expiry-time=\"…\"");
    if (!value->empty()) refuse("the option " + name + " comes twice");
    const std::size_t end = text.find('"', sign + 2);
    if (end == std::string_view::npos) refuse("the option " + name + ": a quotation mark is not closed");
    *value = text.substr(sign + 2, end - sign - 2);
    name == "from" ? check_from(*value) : check_expiry(*value);
    text.remove_prefix(end + 1);
    if (text.empty()) return limits;
    if (text.front() != ',') refuse("options are joined by ',' without blanks");
    text.remove_prefix(1);
  }
}

std::string render_key_limits(const KeyLimits& limits) {
  std::string out;
  if (!limits.from.empty()) out += ",from=\"" + limits.from + "\"";
  if (!limits.expiry.empty()) out += ",expiry-time=\"" + limits.expiry + "\"";
  return out;
}

bool is_expired(const KeyLimits& limits, std::string_view moment) {
  if (limits.expiry.empty()) return false;
  std::string at =
      limits.expiry.ends_with('Z') ? limits.expiry.substr(0, limits.expiry.size() - 1) : limits.expiry;
  at.resize(14, '0');
  return at < moment;
}

}  // namespace bk::server
