// A line of keydir/*.pub: what comes out is one line of safe characters that parses to itself.
#include "common/error/error.h"
#include "server/access/authorized_keys.h"
#include "server/access/key.h"

#include <algorithm>
#include <cstdint>

using namespace bk;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  try {
    const server::PublicKey key = server::parse_key_line(text);
    BK_CHECK(server::parse_key_line(key.type + " " + key.base64) == key);
    const std::string file = server::render_authorized_keys(text, "/o/bk_access", "/h", {{"ann", key}});
    BK_CHECK(file.find('\r') == std::string::npos);
    BK_CHECK(std::count(file.begin(), file.end(), '\n') <= 3);
  } catch (const Error& error) {
    BK_CHECK(error.kind() == Kind::Config);
  }
  return 0;
}
