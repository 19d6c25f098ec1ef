// backline.conf: only Error of Kind::Config may come out, and names that come out are safe.
#include "common/error/error.h"
#include "common/path/names.h"
#include "server/access/client_rules.h"

#include <cstdint>

using namespace bk;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  try {
    const server::BacklineConf conf = server::parse_backline_conf(text);
    for (const auto& [name, client] : conf.clients) {
      BK_CHECK(is_safe_name(name) && name == client.name && conf.may_ask(name, name));
      BK_CHECK(!client.address.starts_with('-'));
    }
  } catch (const Error& error) {
    BK_CHECK(error.kind() == Kind::Config);
  }
  return 0;
}
