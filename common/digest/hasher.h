// Digests that others chose: MD5, SHA-1, SHA-256, SHA-512 (RFC 1321, FIPS 180-4), and HMAC-SHA-256 with a key
// of any length (RFC 2104).  What Backline names by itself is SHA-256 (sha256.h); these compare with what a
// Dataverse or an object store says.
#pragma once

#include "common/digest/sha256.h"

#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace bk {

enum class HashKind { Md5, Sha1, Sha256, Sha512 };

// "MD5", "SHA1", "SHA-1", "sha256", "SHA-512" …; nothing for anything else.
[[nodiscard]] std::optional<HashKind> parse_hash_kind(std::string_view text);
[[nodiscard]] std::string_view hash_name(HashKind kind);            // "MD5", "SHA-1", …
[[nodiscard]] std::size_t hash_hex_digits(HashKind kind) noexcept;  // 32, 40, 64, 128

// Streaming; one thread at a time.
class Hasher {
 public:
  explicit Hasher(HashKind kind);
  Hasher& update(std::string_view bytes);
  [[nodiscard]] std::string finish();  // raw bytes; and begins anew
  [[nodiscard]] HashKind kind() const { return kind_; }
  // Raw bytes.
  [[nodiscard]] static std::string of(HashKind kind, std::string_view bytes);

 private:
  struct Free {
    void operator()(evp_md_ctx_st* context) const noexcept;
  };
  HashKind kind_;
  std::unique_ptr<evp_md_ctx_st, Free> context_;
};

// 32 raw bytes.
[[nodiscard]] std::string hmac_sha256_of(std::string_view key, std::string_view bytes);

}  // namespace bk
