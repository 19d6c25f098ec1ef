// backupconfig.toml of a client and of a server, whatever an editor left in it: only Error of Kind::Config
// may come out, as one printable line that begins with the file and a line number.
#include "client/config/config.h"
#include "common/error/error.h"
#include "server/config/config.h"

#include <cstdint>
#include <string_view>

namespace {

using namespace bk;

void check_message(std::string_view message) {
  BK_CHECK(message.starts_with("b.toml:"));
  message.remove_prefix(7);
  const std::size_t digits = message.find_first_not_of("0123456789");
  BK_CHECK(digits != 0 && digits != std::string_view::npos && message.substr(digits).starts_with(": "));
  BK_CHECK(message[0] != '0');
  for (const char c : message) BK_CHECK(c >= ' ' && c <= '~');
}

template <class Parse>
void check(Parse parse, std::string_view text) {
  try {
    (void)parse(text, "b.toml", "/home/b");
  } catch (const Error& error) {
    BK_CHECK(error.kind() == Kind::Config);
    check_message(error.what());
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  check(client::parse_config, text);
  check(server::parse_config, text);
  return 0;
}
