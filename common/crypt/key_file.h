// The file that holds a store's key: docs/formats/store.md, Encryption.
#pragma once

#include "common/crypt/crypt.h"
#include "common/error/error.h"
#include "common/random/random.h"

#include <string>
#include <string_view>

namespace bk {

// Names a key without telling anything of it: 32 lower-case hex digits.
[[nodiscard]] std::string key_name(const SecretKey& key);

[[nodiscard]] SecretKey new_key(Random& random);
[[nodiscard]] std::string write_key(const SecretKey& key);
[[nodiscard]] SecretKey parse_key(std::string_view text);  // throws Protocol

// The text of a file that holds a secret.  Throws Config, naming the file: it is missing, or others than its
// owner may read it.  `loss` says what its loss means.
[[nodiscard]] std::string read_secret_file(const std::string& path, const std::string& loss);
[[noreturn]] void refuse_secret_file(const std::string& path, const std::string& why);
// What `parse` makes of it; its Protocol becomes Config.
template <class Parse>
[[nodiscard]] auto load_secret_file(const std::string& path, const std::string& loss, Parse&& parse) {
  const std::string text = read_secret_file(path, loss);
  try {
    return parse(text);
  } catch (const Error& error) {
    if (error.kind() != Kind::Protocol) throw;
    refuse_secret_file(path, std::string("is no key: ") + error.what());
  }
}
// Makes a file of mode 0600, durable on return.  Throws Refused when something is there already: a key that
// was overwritten is a backup that was lost.
void make_secret_file(const std::string& path, std::string_view text);

// Throws Config, naming the file: it is missing, no key, or others than its owner may read it.
[[nodiscard]] SecretKey load_key(const std::string& path);
// As make_secret_file().
void make_key_file(const std::string& path, const SecretKey& key);

}  // namespace bk
