// SHA-256 through OpenSSL (FIPS 180-4).
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

struct evp_md_ctx_st;

namespace bk {

// 32 bytes of digest, comparable and hashable.
struct Digest {
  std::array<std::uint8_t, 32> bytes{};
  auto operator<=>(const Digest&) const = default;
  [[nodiscard]] std::string hex() const;
  [[nodiscard]] std::string_view view() const {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }
  // Nothing unless 64 lower-case hex digits.
  [[nodiscard]] static std::optional<Digest> from_hex(std::string_view text);
  // `raw` must be 32 bytes.
  [[nodiscard]] static Digest from_bytes(std::string_view raw);
};

// Streaming hash; reusable after finish().  One thread at a time.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;
  Sha256& update(std::string_view bytes);
  [[nodiscard]] Digest finish();  // and begins anew
  [[nodiscard]] static Digest of(std::string_view bytes);

 private:
  struct Free {
    void operator()(evp_md_ctx_st* context) const noexcept;
  };
  std::unique_ptr<evp_md_ctx_st, Free> context_;
};

}  // namespace bk

template <>
struct std::hash<bk::Digest> {
  std::size_t operator()(const bk::Digest& d) const noexcept {
    std::size_t value = 0;
    std::memcpy(&value, d.bytes.data(), sizeof value);  // already uniform
    return value;
  }
};
