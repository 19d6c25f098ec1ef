// The two files of a sealed source: docs/formats/sealed.md.
//
// The client keeps the one that seals: it can make backups and read none.  Whoever may read keeps the other
// where neither client nor server can reach it.
#pragma once

#include "common/crypt/crypt.h"
#include "common/random/random.h"

#include <string>
#include <string_view>

namespace bk {

struct SealKey {
  std::string public_key;  // X25519, 32 bytes
  SecretKey identity;      // of names and keys of what is sealed
  // 32 lower-case hex digits for both, which tell nothing about them.
  [[nodiscard]] std::string name() const;
};
struct UnsealKey {
  SecretKey private_key, identity;
  [[nodiscard]] SealKey sealing() const;
};

[[nodiscard]] UnsealKey new_unseal_key(Random& random);
[[nodiscard]] std::string write_seal_key(const SealKey& key);
[[nodiscard]] std::string write_unseal_key(const UnsealKey& key);
[[nodiscard]] SealKey parse_seal_key(std::string_view text);      // throws Protocol
[[nodiscard]] UnsealKey parse_unseal_key(std::string_view text);  // throws Protocol

// Throw Config, naming the file: it is missing, no such key, or others than its owner may read it.
[[nodiscard]] SealKey load_seal_key(const std::string& path);
[[nodiscard]] UnsealKey load_unseal_key(const std::string& path);
// Makes both files, mode 0600, durable on return; Refused when one of them is there already.
void make_seal_key_files(const std::string& seal_path, const std::string& unseal_path, const UnsealKey& key);

}  // namespace bk
