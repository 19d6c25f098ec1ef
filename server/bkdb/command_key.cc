#include "common/crypt/key_file.h"
#include "common/crypt/seal_key.h"
#include "common/error/error.h"
#include "common/text/escape.h"
#include "server/bkdb/commands.h"

namespace bk::bkdb {

namespace {

int make_seal(const std::string& client_file, const std::string& unseal_file) {
  SystemRandom random;
  const UnsealKey key = new_unseal_key(random);
  make_seal_key_files(client_file, unseal_file, key);
  print(
      "key " + key.sealing().name() + ": " + quoted(client_file) + " goes to the client that seals, " +
      quoted(unseal_file) +
      " to whoever may read.\nKeep the second one away from client and server, and a copy of it: without it "
      "no sealed backup can be read\nby anybody.\n");
  return kExitDone;
}

}  // namespace

int run_key(const Words& words) {
  if (words.size() == 3 && words[0] == "seal") return make_seal(words[1], words[2]);
  if (words.size() != 2 || (words[0] != "new" && words[0] != "show"))
    throw Error(Kind::Usage,
                "key: say `bkdb key new FILE`, `bkdb key show FILE` or "
                "`bkdb key seal CLIENT-FILE UNSEAL-FILE`");
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
