#include "client/modules/key_path.h"

#include <algorithm>

namespace bk::client {
namespace {

constexpr std::size_t kPieceBytes = 240;
constexpr std::string_view kEmptyPart = "%-";
constexpr std::string_view kGoesOn = "%+";

std::string escaped(std::string_view part) {
  if (part == ".") return "%2E";
  if (part == "..") return "%2E%2E";
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string out;
  for (const char c : part) {
    const auto value = static_cast<unsigned char>(c);
    if (c == '%' || value < 0x20 || value == 0x7f) {
      out += {'%', kDigits[value >> 4U], kDigits[value & 15U]};
    } else {
      out += c;
    }
  }
  return out;
}

// Never cuts a %XX in two.
std::string in_pieces(std::string text) {
  std::string out;
  while (text.size() > kPieceBytes) {
    std::size_t cut = kPieceBytes;
    for (std::size_t back = 1; back <= 2; ++back) {
      if (text[kPieceBytes - back] == '%') cut = kPieceBytes - back;
    }
    out += text.substr(0, cut) + std::string(kGoesOn) + "/";
    text.erase(0, cut);
  }
  return out + text;
}

std::optional<std::string> unescaped(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    const auto hex = [&](std::size_t at) -> int {
      if (at >= text.size()) return -1;
      const char c = text[at];
      return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
    };
    if (hex(i + 1) < 0 || hex(i + 2) < 0) return std::nullopt;
    out += static_cast<char>(hex(i + 1) * 16 + hex(i + 2));
    i += 2;
  }
  return out;
}

}  // namespace

std::string path_of_key(std::string_view key) {
  std::string out;
  for (std::size_t begin = 0; begin <= key.size();) {
    const std::size_t end = std::min(key.find('/', begin), key.size());
    const std::string_view part = key.substr(begin, end - begin);
    if (begin > 0) out += '/';
    out += part.empty() ? std::string(kEmptyPart) : in_pieces(escaped(part));
    begin = end + 1;
  }
  return out;
}

std::optional<std::string> key_of_path(std::string_view path) {
  if (path.ends_with("/%")) path.remove_suffix(2);
  std::string out;
  bool goes_on = true;
  for (std::size_t begin = 0; begin <= path.size();) {
    const std::size_t end = std::min(path.find('/', begin), path.size());
    std::string_view part = path.substr(begin, end - begin);
    if (!goes_on) out += '/';
    goes_on = part.ends_with(kGoesOn);
    if (goes_on) part.remove_suffix(kGoesOn.size());
    if (part != kEmptyPart) {
      const std::optional<std::string> bytes = unescaped(part);
      if (!bytes) return std::nullopt;
      out += *bytes;
    }
    begin = end + 1;
  }
  return out;
}

}  // namespace bk::client
