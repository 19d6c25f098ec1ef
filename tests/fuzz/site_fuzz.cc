// wp-config.php, LocalSettings.php and trac.ini, whatever somebody wrote into them: only Error of
// Kind::Config may come out, and what was found is no longer than what a value may be.
#include "client/modules/php_config.h"
#include "client/modules/site.h"
#include "common/error/error.h"

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace {

using namespace bk;
using namespace bk::client;

template <class Ask>
void ask(Ask question) {
  try {
    question();
  } catch (const Error& error) {
    BK_CHECK(error.kind() == Kind::Config || error.kind() == Kind::Usage);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  ask([&] {
    const PhpConfig php(text, "/srv/w", {{"IP", "/srv/w"}});
    for (const char* name : {"DB_NAME", "DB_PASSWORD", "A"})
      ask([&] { BK_CHECK(php.constant(name).value_or("").size() <= text.size() * 64 + (1U << 17U)); });
    for (const char* name : {"table_prefix", "wgDBname", "a"}) ask([&] { (void)php.variable(name); });
  });
  const std::string database = ini_value(text, "trac", "database");
  BK_CHECK(database.size() <= text.size());
  ask([&] { (void)parse_trac_database(database.empty() ? text : database, "/srv/t"); });
  ask([&] {
    SiteDatabase out;
    parse_mysql_host(text, out);
  });
  return 0;
}
