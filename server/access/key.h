// Public keys of users: keydir/USER.pub.  Pure.
//
// A line is parsed down to (type, blob) and written anew from that: nothing that a stranger wrote around it
// (options, comment, control bytes) ever reaches authorized_keys.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace bk::server {

struct PublicKey {
  std::string type;    // "ssh-ed25519" …
  std::string base64;  // canonical
  auto operator<=>(const PublicKey&) const = default;
};

inline constexpr std::size_t kMaxKeyLine = 16384;  // an RSA key of 16,384 bits has 2,800 characters
inline constexpr std::size_t kMaxKeyFile = 1U << 20U;
inline constexpr std::size_t kMaxKeys = 100000;

// "<type> <base64> [comment]".  Throws Config with the reason.  Refused: options before the type, types that
// sshd no longer takes, a blob whose own type or length differs, any control byte.
[[nodiscard]] PublicKey parse_key_line(std::string_view line);

struct UserKey {
  std::string user;
  PublicKey key;
};

struct KeyFile {
  std::string name;  // below keydir/
  std::string bytes;
};

// All keys of keydir/, users sorted by name.  Throws Config "keydir/<file>:<line>: <reason>": a bad user
// name, a bad line, one key under two users.  Files that are no "*.pub" are skipped with a warning.
[[nodiscard]] std::vector<UserKey> read_keys(const std::vector<KeyFile>& files,
                                             std::vector<std::string>& warnings);

}  // namespace bk::server
