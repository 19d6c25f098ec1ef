#include "common/error/error.h"
#include "common/ssh/ssh.h"
#include "common/text/escape.h"
#include "common/text/number.h"

#include <arpa/inet.h>

#include <algorithm>

namespace bk::ssh {
namespace {

bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_alnum(char c) { return is_lower(c) || is_digit(c) || (c >= 'A' && c <= 'Z'); }

// Nothing here may begin with '-' or hold a character that a shell, a config file or a log could take for its
// own.
bool is_user(std::string_view user) {
  if (user.empty() || user.size() > 32 || !(is_lower(user[0]) || user[0] == '_')) return false;
  return std::all_of(user.begin(), user.end(),
                     [](char c) { return is_lower(c) || is_digit(c) || c == '_' || c == '-'; });
}

bool is_host(std::string_view host) {
  if (host.empty() || host.size() > 253 || !is_alnum(host.front()) || !is_alnum(host.back())) return false;
  if (host.find("..") != std::string_view::npos) return false;
  return std::all_of(host.begin(), host.end(), [](char c) { return is_alnum(c) || c == '.' || c == '-'; });
}

bool is_v6(std::string_view host) {
  in6_addr address{};
  return inet_pton(AF_INET6, std::string(host).c_str(), &address) == 1 && host.find('\0') == host.npos;
}

bool is_path(std::string_view path) {
  if (path.size() < 2 || path.size() > 1024 || path[0] != '/') return false;
  std::size_t begin = 1;
  while (begin <= path.size()) {
    const std::size_t end = std::min(path.find('/', begin), path.size());
    const std::string_view part = path.substr(begin, end - begin);
    if (part.empty() || part.find("..") != std::string_view::npos || part == "." || part[0] == '-')
      return false;
    if (!std::all_of(part.begin(), part.end(), [](char c) {
          return is_alnum(c) || c == '.' || c == '_' || c == '-' || c == '@' || c == '+';
        }))
      return false;
    begin = end + 1;
  }
  return true;
}

[[noreturn]] void bad(std::string_view text, std::string_view why) {
  throw Error(Kind::Config, quoted(text) + ": " + std::string(why));
}

// "host", "host:port", "[v6]", "[v6]:port".
void parse_host_port(std::string_view whole, std::string_view text, Address& out) {
  std::string_view port;
  if (text.starts_with('[')) {
    const std::size_t close = text.find(']');
    if (close == std::string_view::npos) bad(whole, "\"[\" without \"]\" around the host");
    out.host = text.substr(1, close - 1);
    if (!is_v6(out.host)) bad(whole, "between \"[\" and \"]\" stands no IPv6 address");
    text.remove_prefix(close + 1);
    if (text.empty()) return;
    if (text[0] != ':') bad(whole, "after \"]\" may come only \":\" and a port");
    port = text.substr(1);
  } else {
    const std::size_t colon = text.find(':');
    out.host = text.substr(0, colon);
    if (!is_host(out.host))
      bad(whole, "the host must be letters, digits, \".\" and \"-\"; write IPv6 as [::1]");
    if (colon == std::string_view::npos) return;
    port = text.substr(colon + 1);
  }
  const auto number = parse_int<int>(port, 1, 65535);
  if (!number) bad(whole, "the port must be a number from 1 to 65535");
  out.port = static_cast<std::uint16_t>(*number);
}

void parse_authority(std::string_view whole, std::string_view text, Address& out) {
  const std::size_t at = text.find('@');
  if (at == std::string_view::npos) bad(whole, "a user is missing: user@host");
  out.user = text.substr(0, at);
  if (!is_user(out.user))
    bad(whole, "the user must be lower-case letters, digits, \"_\" and \"-\", 32 at most");
  parse_host_port(whole, text.substr(at + 1), out);
}

}  // namespace

Address parse_url(std::string_view url) {
  constexpr std::string_view kScheme = "ssh://";
  if (!url.starts_with(kScheme)) bad(url, "an address looks like ssh://user@host:port/REPO.git");
  const std::string_view rest = url.substr(kScheme.size());
  const std::size_t slash = rest.find('/');
  if (slash == std::string_view::npos) bad(url, "a path is missing: ssh://user@host:port/REPO.git");
  Address out;
  parse_authority(url, rest.substr(0, slash), out);
  out.path = rest.substr(slash);
  if (!is_path(out.path))
    bad(url,
        "the path must be components of letters, digits and \"._-@+\", without \"..\" and a leading \"-\"");
  return out;
}

Address parse_address(std::string_view text) {
  Address out;
  parse_authority(text, text, out);
  return out;
}

}  // namespace bk::ssh
