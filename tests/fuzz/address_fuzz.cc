// Addresses of servers and clients: "ssh://user@host:port/path" and "user@host:port".
//
// Only Error of Kind::Config may come out, and what is accepted holds nothing that a shell, an option parser
// or a log could take for its own.
#include "common/error/error.h"
#include "common/ssh/ssh.h"

#include <cstdint>
#include <string>
#include <string_view>

namespace {

using namespace bk;

void check(const ssh::Address& address) {
  BK_CHECK(address.port != 0);
  for (const std::string& part : {address.user, address.host, address.path}) {
    BK_CHECK(part.empty() || part[0] != '-');
    BK_CHECK(part.find("..") == std::string::npos);
    BK_CHECK(part.find("/-") == std::string::npos);
    BK_CHECK(part.find_first_of(" \t\r\n'\"\\$`;&|<>*?!#~%(){}") == std::string::npos);
    for (const char c : part) BK_CHECK(c > ' ' && c <= '~');
  }
  BK_CHECK(!address.user.empty() && !address.host.empty());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  for (const auto parse : {ssh::parse_url, ssh::parse_address}) {
    try {
      check(parse(text));
    } catch (const Error& error) {
      BK_CHECK(error.kind() == Kind::Config);
    }
  }
  return 0;
}
