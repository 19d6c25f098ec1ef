#include "common/text/escape.h"

#include <array>
#include <cstdint>

namespace bk {
namespace {

constexpr std::string_view kLowerHex = "0123456789abcdef";
constexpr std::string_view kUpperHex = "0123456789ABCDEF";
constexpr std::string_view kBase64Url = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

unsigned char byte_of(char c) { return static_cast<unsigned char>(c); }

int digit_of(char c, std::string_view alphabet) {
  const std::size_t at = alphabet.find(c);
  return at == std::string_view::npos || c == '\0' ? -1 : static_cast<int>(at);
}

}  // namespace

std::string quoted(std::string_view bytes) {
  std::string out = "\"";
  for (const char c : bytes) {
    const unsigned char b = byte_of(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\t') {
      out += "\\t";
    } else if (b < 0x20 || b > 0x7e) {
      out += "\\x";
      out += kLowerHex[b >> 4U];
      out += kLowerHex[b & 15U];
    } else {
      out += c;
    }
  }
  out += '"';
  return out;
}

std::string percent_encode(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size());
  for (const char c : bytes) {
    const unsigned char b = byte_of(c);
    if (b <= 0x20 || b > 0x7e || c == '%') {
      out += '%';
      out += kUpperHex[b >> 4U];
      out += kUpperHex[b & 15U];
    } else {
      out += c;
    }
  }
  return out;
}

std::optional<std::string> percent_decode(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    if (i + 2 >= text.size()) return std::nullopt;
    const int high = digit_of(text[i + 1], kUpperHex);
    const int low = digit_of(text[i + 2], kUpperHex);
    if (high < 0 || low < 0) return std::nullopt;
    out += static_cast<char>(high * 16 + low);
    i += 2;
  }
  // One text for one name: "a" written as "%61" would be a second spelling of the same request.
  if (percent_encode(out) != text) return std::nullopt;
  return out;
}

std::string base64url_encode(std::string_view bytes) {
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::size_t have = std::min<std::size_t>(3, bytes.size() - i);
    std::uint32_t word = 0;
    for (std::size_t k = 0; k < 3; ++k) word = (word << 8U) | (k < have ? byte_of(bytes[i + k]) : 0U);
    for (std::size_t k = 0; k < 4; ++k) out += k <= have ? kBase64Url[(word >> (18U - 6U * k)) & 63U] : '=';
  }
  return out;
}

std::optional<std::string> base64url_decode(std::string_view text) {
  if (text.size() % 4 != 0) return std::nullopt;
  std::string out;
  std::uint32_t word = 0;
  unsigned bits = 0;
  for (const char c : text.substr(0, text.find('='))) {
    const int digit = digit_of(c, kBase64Url);
    if (digit < 0) return std::nullopt;
    word = (word << 6U) | static_cast<std::uint32_t>(digit);
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      out += static_cast<char>((word >> bits) & 0xffU);
    }
  }
  if (base64url_encode(out) != text) return std::nullopt;
  return out;
}

std::string hex_encode(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size() * 2);
  for (const char c : bytes) {
    out += kLowerHex[byte_of(c) >> 4U];
    out += kLowerHex[byte_of(c) & 15U];
  }
  return out;
}

std::optional<std::string> hex_decode(std::string_view text) {
  if (text.size() % 2 != 0) return std::nullopt;
  std::string out;
  for (std::size_t i = 0; i < text.size(); i += 2) {
    const int high = digit_of(text[i], kLowerHex);
    const int low = digit_of(text[i + 1], kLowerHex);
    if (high < 0 || low < 0) return std::nullopt;
    out += static_cast<char>(high * 16 + low);
  }
  return out;
}

}  // namespace bk
