// gitosis.conf as an administrator's push may bring it: only Error of Kind::Config may come out, and every
// question about what was read has an answer.
#include "common/error/error.h"
#include "server/access/gitosis_conf.h"

#include <cstdint>

using namespace bk;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  try {
    std::vector<std::string> warnings;
    const server::GitosisConf conf = server::GitosisConf::parse(text, warnings);
    for (const char* user : {"ann", "web1", "@all"}) {
      BK_CHECK(conf.groups_of(user).back() == "all");
      for (const char* mode : {"writable", "writeable", "readonly"}) {
        const auto granted = conf.find_access(user, mode, "a");
        BK_CHECK(!granted || server::is_repository_name(granted->path));
      }
    }
  } catch (const Error& error) {
    BK_CHECK(error.kind() == Kind::Config);
  }
  return 0;
}
