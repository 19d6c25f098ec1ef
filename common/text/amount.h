// Amounts as people read them.  Pure.
#pragma once

#include <cstdint>
#include <string>

namespace bk {

// "1.2 GB", in powers of 1000.
[[nodiscard]] std::string show_bytes(std::uint64_t bytes);
// "1.2 GiB", in powers of 1024, as limits are written; "10 GiB" when nothing is left over.
[[nodiscard]] std::string show_binary_bytes(std::uint64_t bytes);
// "1,234,567"
[[nodiscard]] std::string show_count(std::uint64_t number);
// "45 s", "12 min", "3 h": rounded, for estimates.
[[nodiscard]] std::string show_span(std::uint64_t seconds);

}  // namespace bk
