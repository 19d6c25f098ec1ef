// What Store::snapshots() tells of what it left out.
#pragma once

#include <string_view>

namespace bk::store {

// So begins what is told of a record that the disk does not give back: nothing is known of it, so it is no
// damage.
inline constexpr std::string_view kCannotRead = "cannot read: ";

}  // namespace bk::store
