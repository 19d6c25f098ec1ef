// Authenticated encryption and keyed digests through OpenSSL: AES-256-GCM (NIST SP 800-38D) and HMAC-SHA-256
// (RFC 2104).
//
// Whoever calls seals answers for the nonce: one pair of key and nonce never meets two contents.  The store
// derives a key for every record, so its nonces are constants (docs/formats/store.md, Encryption).
//
// Any thread.
#pragma once

#include "common/digest/sha256.h"

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace bk {

// 256 secret bits, wiped when they go.
class SecretKey {
 public:
  SecretKey() = default;
  explicit SecretKey(std::string_view raw);  // 32 bytes
  ~SecretKey();
  SecretKey(const SecretKey&) = default;
  SecretKey& operator=(const SecretKey&) = default;
  [[nodiscard]] std::string_view view() const {
    return {reinterpret_cast<const char*>(bytes_.data()), bytes_.size()};
  }

 private:
  std::array<std::uint8_t, 32> bytes_{};
};

[[nodiscard]] Digest hmac_sha256(const SecretKey& key, std::string_view bytes);
// Another secret of this one, for the purpose and place that `label` spells: HMAC as the pseudo-random
// function of NIST SP 800-108 with a key that is uniform itself.
[[nodiscard]] SecretKey derive(const SecretKey& key, std::string_view label);

inline constexpr std::size_t kSealBytes = 16;  // what sealing adds
// Ciphertext, then the tag; `bound` is authenticated with it and not in it.
[[nodiscard]] std::string seal(const SecretKey& key, std::uint32_t nonce, std::string_view bound,
                               std::string_view plain);
using SealNonce = std::array<std::uint8_t, 12>;  // a number above is its little-endian form
[[nodiscard]] std::string seal(const SecretKey& key, const SealNonce& nonce, std::string_view bound,
                               std::string_view plain);
// Nothing when a bit of it, of `bound`, of the nonce or of the key is another.
[[nodiscard]] std::optional<std::string> unseal(const SecretKey& key, std::uint32_t nonce,
                                                std::string_view bound, std::string_view sealed);
[[nodiscard]] std::optional<std::string> unseal(const SecretKey& key, const SealNonce& nonce,
                                                std::string_view bound, std::string_view sealed);

}  // namespace bk
