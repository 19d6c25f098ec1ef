// gitosis.conf in both grammars as an administrator's push may bring it: only Error of Kind::Config may come
// out, every question about what was read has an answer, and no answer leaves the folder of repositories.
#include "common/error/error.h"
#include "server/access/gate.h"
#include "server/access/gitosis_conf.h"

#include <cstdint>

using namespace bk;

namespace {

void ask(const server::GitosisConf& conf) {
  const std::string last = conf.grammar() == server::Grammar::Ini ? "all" : "@all";
  for (const char* user : {"ann", "web1", "@all", "daemon", "gitYW5u"}) {
    BK_CHECK(conf.groups_of(user).back() == last || conf.grammar() == server::Grammar::Ini);
    for (const char* mode : {"writable", "writeable", "readonly", "R", "RW", "RW+", "x"}) {
      for (const char* path : {"a", "web1.git", "team/x"}) {
        const auto granted = conf.find_access(user, mode, path);
        BK_CHECK(!granted || (server::is_repository_name(granted->path) &&
                              server::is_repository_prefix(granted->prefix)));
      }
    }
    server::RightsOf rights;
    (void)conf.add_rights(user, rights, 1000);
    (void)conf.person(user);
  }
  (void)conf.publication("web1");
  (void)conf.projects_list({"a", "team/x"});
  (void)conf.authorized_keys_path();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  try {
    std::vector<std::string> warnings;
    ask(server::GitosisConf::parse(text, warnings));
  } catch (const Error& error) {
    BK_CHECK(error.kind() == Kind::Config);
  }
  return 0;
}
