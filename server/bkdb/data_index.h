// data_idx: which sources a command means, as "0,2" (grammar F004-19 of the old bkdb).
//
//   data_idx = number *( "," number )      number = 1*DIGIT; spaces around each number are allowed
//
// Duplicates are harmless.  Pure.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

namespace bk::bkdb {

// Sorted, without duplicates.  Throws Usage for anything else than the grammar, and for a number that is not
// below `sources`.
[[nodiscard]] std::vector<std::size_t> parse_data_index(std::string_view text, std::size_t sources);

}  // namespace bk::bkdb
