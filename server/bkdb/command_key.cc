#include "common/crypt/key_file.h"
#include "common/error/error.h"
#include "common/text/escape.h"
#include "server/bkdb/commands.h"

namespace bk::bkdb {

int run_key(const Words& words) {
  if (words.size() != 2 || (words[0] != "new" && words[0] != "show"))
    throw Error(Kind::Usage, "key: say `bkdb key new FILE` or `bkdb key show FILE`");
  const std::string& path = words[1];
  if (words[0] == "show") {
    print(key_name(load_key(path)) + "\n");
    return kExitDone;
  }
  SystemRandom random;
  const SecretKey key = new_key(random);
  make_key_file(path, key);
  print(
      "key " + key_name(key) + " is in " + quoted(path) +
      ".\nKeep a copy where neither this machine nor the store's disk can take it with them: without it no "
      "backup\ncan be read by anybody. Its path goes into backupconfig.toml, key_file below [store], before "
      "the first backup.\n");
  return kExitDone;
}

}  // namespace bk::bkdb
