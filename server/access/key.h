// Public keys of users: keydir/USER.pub (docs/formats/keydir.md).  Pure.
//
// A line is parsed down to (type, blob) and written anew from that: nothing that a stranger wrote around it
// (comment, control bytes, options other than two that only narrow) ever reaches authorized_keys.
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
inline constexpr std::size_t kMinRsaBits = 2048, kMaxRsaBits = 16384;

// "<type> <base64> [comment]".  Throws Config with the reason.  Refused: options before the type, types that
// sshd no longer takes, certificates, private keys, a blob whose own type, curve or length differs, RSA keys
// that are too short, any control byte.
[[nodiscard]] PublicKey parse_key_line(std::string_view line);

// "SHA256:…" as ssh-keygen -l prints it.
[[nodiscard]] std::string fingerprint_of(const PublicKey& key);

// The options of authorized_keys that a line may carry; empty: not given.
struct KeyLimits {
  std::string from;    // patterns of addresses and hosts
  std::string expiry;  // YYYYMMDD[HHMM[SS]][Z]
  auto operator<=>(const KeyLimits&) const = default;
};

struct UserKey {
  std::string user;
  PublicKey key;
  KeyLimits limits = {};
  auto operator<=>(const UserKey&) const = default;
};

// A line of keydir: as parse_key_line, with `from="…"` and `expiry-time="…"` allowed before the type.  The
// user is empty.
[[nodiscard]] UserKey parse_user_key_line(std::string_view line);

struct KeyFile {
  std::string name;  // below keydir/
  std::string bytes;
};

// All keys of keydir/, users sorted by name.  Throws Config "keydir/<file>:<line>: <reason>": a bad user
// name, a bad line, one key under two users or twice with different options.  Files that are no "*.pub" are
// skipped with a warning.
[[nodiscard]] std::vector<UserKey> read_keys(const std::vector<KeyFile>& files,
                                             std::vector<std::string>& warnings);

}  // namespace bk::server
