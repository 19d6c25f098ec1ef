#include "common/sqlite/immutable.h"

#include "common/text/escape.h"

#include <string_view>

namespace bk::sqlite {

std::string immutable_uri(const std::string& path) {
  std::string out = "file:";
  for (const char c : path) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '/' || c == '.' || c == '_' || c == '-';
    out += plain ? std::string(1, c) : "%" + hex_encode(std::string_view(&c, 1));
  }
  return out + "?immutable=1";
}

}  // namespace bk::sqlite
