// A git object's name: 20 bytes of SHA-1, as libgit2 1.5 has them.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace bk::git {

struct Oid {
  std::array<std::uint8_t, 20> bytes{};
  auto operator<=>(const Oid&) const = default;
  [[nodiscard]] bool is_zero() const { return *this == Oid{}; }
  [[nodiscard]] std::string hex() const;
  // Nothing unless 40 lower-case hex digits.
  [[nodiscard]] static std::optional<Oid> from_hex(std::string_view text);
};

}  // namespace bk::git
