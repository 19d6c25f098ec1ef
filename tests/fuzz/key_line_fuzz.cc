// A line of keydir/*.pub: what comes out is one line of safe characters that parses to itself.
#include "common/error/error.h"
#include "server/access/authorized_keys.h"
#include "server/access/key.h"
#include "server/access/key_limits.h"

#include <algorithm>
#include <cstdint>

using namespace bk;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  try {
    server::UserKey key = server::parse_user_key_line(text);
    const std::string limits = server::render_key_limits(key.limits);
    const std::string again =
        (limits.empty() ? "" : limits.substr(1) + " ") + key.key.type + " " + key.key.base64;
    BK_CHECK(server::parse_user_key_line(again) == key);
    key.user = "ann";
    const std::string file = server::render_authorized_keys(text, "/o/bk_access", "/h", {key});
    BK_CHECK(file.find('\r') == std::string::npos);
    BK_CHECK(std::count(file.begin(), file.end(), '\n') <= 3);
  } catch (const Error& error) {
    BK_CHECK(error.kind() == Kind::Config);
  }
  return 0;
}
