// The file that holds a store's key: docs/formats/store.md, Encryption.
#pragma once

#include "common/crypt/crypt.h"
#include "common/random/random.h"

#include <string>
#include <string_view>

namespace bk {

// Names a key without telling anything of it: 32 lower-case hex digits.
[[nodiscard]] std::string key_name(const SecretKey& key);

[[nodiscard]] SecretKey new_key(Random& random);
[[nodiscard]] std::string write_key(const SecretKey& key);
[[nodiscard]] SecretKey parse_key(std::string_view text);  // throws Protocol

// Throws Config, naming the file: it is missing, no key, or others than its owner may read it.
[[nodiscard]] SecretKey load_key(const std::string& path);
// Makes a file of mode 0600, durable on return.  Throws Refused when something is there already: a key that
// was overwritten is a store that was lost.
void make_key_file(const std::string& path, const SecretKey& key);

}  // namespace bk
