// Encrypting to a public key: HPKE (RFC 9180), base mode, one message, DHKEM(X25519, HKDF-SHA256),
// HKDF-SHA256, AES-256-GCM.
//
// Whoever has the public key can seal; only the private key opens.  Who sealed is not shown by it.
//
// Any thread.
#pragma once

#include "common/crypt/crypt.h"
#include "common/random/random.h"

#include <optional>
#include <string>
#include <string_view>

namespace bk {

inline constexpr std::size_t kPublicKeyBytes = 32;
inline constexpr std::size_t kHpkeBytes = kPublicKeyBytes + kSealBytes;  // what sealing adds

[[nodiscard]] std::string public_key_of(const SecretKey& private_key);

// The sender's one-time public key, then the sealed text.  `info` says what it is for; `bound` is
// authenticated with it and not in it.
[[nodiscard]] std::string hpke_seal(std::string_view public_key, std::string_view info,
                                    std::string_view bound, std::string_view plain, Random& random);
// Nothing when a bit of it, of `info`, of `bound` or of the key is another.
[[nodiscard]] std::optional<std::string> hpke_open(const SecretKey& private_key, std::string_view info,
                                                   std::string_view bound, std::string_view sealed);

// The two steps that the RFC has vectors for.  What both sides share; nothing for a public key that is none.
[[nodiscard]] std::optional<SecretKey> hpke_shared(const SecretKey& own, std::string_view peer,
                                                   std::string_view sender, std::string_view receiver);
// Key and nonce for the cipher of that number (RFC 9180, 7.3), as bytes.
struct HpkeKey {
  std::string key, nonce;
};
[[nodiscard]] HpkeKey hpke_schedule(const SecretKey& shared, unsigned cipher, std::size_t key_bytes,
                                    std::string_view info);

}  // namespace bk
