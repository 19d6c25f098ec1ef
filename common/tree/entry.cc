#include "common/tree/entry.h"

#include <string_view>

namespace bk {

bool is_entry_type(unsigned char byte) {
  return std::string_view("fdlpcbs").find(static_cast<char>(byte)) != std::string_view::npos;
}

}  // namespace bk
