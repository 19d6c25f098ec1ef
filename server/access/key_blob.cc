#include "server/access/key_blob.h"

#include "common/error/error.h"
#include "server/access/key.h"

#include <array>
#include <optional>
#include <string>

namespace bk::server {
namespace {

// Letters of `fields`: k = 32 bytes of Ed25519, c = the curve's name, p = a point on it, e = RSA's exponent,
// n = RSA's modulus, a = the application of a security key.
struct KeyType {
  std::string_view name, fields, curve;
  std::size_t point_bytes;
};
constexpr std::array<KeyType, 7> kTypes{{{"ssh-ed25519", "k", "", 0},
                                         {"ssh-rsa", "en", "", 0},
                                         {"ecdsa-sha2-nistp256", "cp", "nistp256", 65},
                                         {"ecdsa-sha2-nistp384", "cp", "nistp384", 97},
                                         {"ecdsa-sha2-nistp521", "cp", "nistp521", 133},
                                         {"sk-ssh-ed25519@openssh.com", "ka", "", 0},
                                         {"sk-ecdsa-sha2-nistp256@openssh.com", "cpa", "nistp256", 65}}};

[[noreturn]] void refuse(const std::string& reason) { throw Error(Kind::Config, reason); }

const KeyType* find_type(std::string_view name) {
  for (const KeyType& type : kTypes) {
    if (type.name == name) return &type;
  }
  return nullptr;
}

// An SSH string (RFC 4251 section 5): big-endian length, bytes.
std::optional<std::string_view> take_string(std::string_view& rest) {
  if (rest.size() < 4) return std::nullopt;
  std::size_t length = 0;
  for (std::size_t i = 0; i < 4; ++i) length = length << 8U | static_cast<unsigned char>(rest[i]);
  rest.remove_prefix(4);
  if (length > rest.size()) return std::nullopt;
  const std::string_view out = rest.substr(0, length);
  rest.remove_prefix(length);
  return out;
}

// Of a positive, canonical mpint; 0 for any other.
std::size_t bits_of(std::string_view number) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(number[i]); };
  if (number.empty() || byte(0) >= 0x80) return 0;
  if (byte(0) == 0) {
    if (number.size() < 2 || byte(1) < 0x80) return 0;
    number.remove_prefix(1);
  }
  std::size_t bits = (number.size() - 1) * 8;
  for (unsigned top = byte(0); top > 0; top >>= 1U) ++bits;
  return bits;
}

void check_modulus(std::string_view number) {
  const std::size_t bits = bits_of(number);
  if (bits < kMinRsaBits)
    refuse("an RSA key of " + std::to_string(bits) + " bits; at least " + std::to_string(kMinRsaBits) +
           " are needed (better: ssh-keygen -t ed25519)");
  if (bits > kMaxRsaBits) refuse("an RSA key of more than " + std::to_string(kMaxRsaBits) + " bits");
}

void check_field(const KeyType& type, char what, std::string_view field) {
  bool good = true;
  if (what == 'k') good = field.size() == 32;
  if (what == 'c') good = field == type.curve;
  if (what == 'p') good = field.size() == type.point_bytes && field.front() == 4;
  if (what == 'e') good = bits_of(field) >= 2 && bits_of(field) <= 64 && (field.back() & 1) != 0;
  if (what == 'a') good = field.size() <= 256;
  if (what == 'n') check_modulus(field);
  if (!good) refuse("the key's data is no key of type " + std::string(type.name));
}

}  // namespace

bool is_key_type(std::string_view type) { return find_type(type) != nullptr; }

void check_key_blob(std::string_view name, std::string_view blob) {
  const KeyType* type = find_type(name);
  if (type == nullptr) refuse("no key type that is accepted here");
  const std::optional<std::string_view> inner = take_string(blob);
  if (!inner || *inner != type->name) refuse("the key's data is not of type " + std::string(type->name));
  for (const char what : type->fields) {
    const std::optional<std::string_view> field = take_string(blob);
    if (!field || field->empty()) refuse("the key's data is cut short");
    check_field(*type, what, *field);
  }
  if (!blob.empty()) refuse("the key's data is too long");
}

}  // namespace bk::server
