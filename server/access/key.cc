#include "server/access/key.h"

#include "common/error/error.h"
#include "common/text/escape.h"
#include "server/access/gitosis_conf.h"
#include "server/access/ini.h"

#include <algorithm>
#include <map>

namespace bk::server {
namespace {

struct KeyType {
  std::string_view name;
  int fields;  // length-prefixed strings of the blob behind the type
};
constexpr KeyType kTypes[] = {{"ssh-ed25519", 1},
                              {"ssh-rsa", 2},
                              {"ecdsa-sha2-nistp256", 2},
                              {"ecdsa-sha2-nistp384", 2},
                              {"ecdsa-sha2-nistp521", 2},
                              {"sk-ssh-ed25519@openssh.com", 2},
                              {"sk-ecdsa-sha2-nistp256@openssh.com", 3}};

[[noreturn]] void refuse(const std::string& reason) { throw Error(Kind::Config, reason); }

const KeyType* find_type(std::string_view name) {
  for (const KeyType& type : kTypes) {
    if (type.name == name) return &type;
  }
  return nullptr;
}

// Standard alphabet, canonical; nothing otherwise.
std::optional<std::string> decode_base64(std::string_view text) {
  std::string url(text);
  for (char& c : url) {
    if (c == '-' || c == '_') return std::nullopt;
    if (c == '+') c = '-';
    if (c == '/') c = '_';
  }
  return base64url_decode(url);
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

void check_blob(const KeyType& type, std::string_view blob) {
  const std::optional<std::string_view> inner = take_string(blob);
  if (!inner || *inner != type.name) refuse("the key's data is not of type " + std::string(type.name));
  for (int i = 0; i < type.fields; ++i) {
    const std::optional<std::string_view> field = take_string(blob);
    if (!field || field->empty()) refuse("the key's data is cut short");
    if (type.name == "ssh-ed25519" && field->size() != 32) refuse("the key's data has the wrong length");
  }
  if (!blob.empty()) refuse("the key's data is too long");
}

void read_file(const KeyFile& file, const std::string& user, std::vector<UserKey>& out) {
  std::string_view rest = file.bytes;
  const std::string shown = "keydir/" + file.name;
  for (int line = 1; !rest.empty(); ++line) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    std::string_view text = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (text.ends_with('\r')) text.remove_suffix(1);
    if (text.find_first_not_of(" \t") == std::string_view::npos || text.front() == '#') continue;
    try {
      out.push_back({user, parse_key_line(text)});
    } catch (const Error& error) {
      refuse_line(shown, line, error.what());
    }
    if (out.size() > kMaxKeys) refuse_line(shown, line, "more than " + std::to_string(kMaxKeys) + " keys");
  }
}

}  // namespace

PublicKey parse_key_line(std::string_view line) {
  if (line.size() > kMaxKeyLine) refuse("a line longer than " + std::to_string(kMaxKeyLine) + " bytes");
  if (std::any_of(line.begin(), line.end(),
                  [](char c) { return (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f; }))
    refuse("a control byte in the line");
  const std::vector<std::string> words = split_words(line);
  if (words.empty()) refuse("no key");
  const KeyType* type = find_type(words[0]);
  if (type == nullptr)
    refuse(quoted(words[0].substr(0, 80)) +
           " is no key type that is accepted here (options before a key are not allowed)");
  if (words.size() < 2) refuse("the key's data is missing");
  const std::optional<std::string> blob = decode_base64(words[1]);
  if (!blob) refuse("the key's data is no canonical base64");
  check_blob(*type, *blob);
  return {words[0], words[1]};
}

std::vector<UserKey> read_keys(const std::vector<KeyFile>& files, std::vector<std::string>& warnings) {
  std::vector<UserKey> keys;
  for (const KeyFile& file : files) {
    if (file.name.starts_with('.') || !file.name.ends_with(".pub")) {
      warnings.push_back("keydir/" + file.name + ": skipped, because it is no *.pub");
      continue;
    }
    const std::string user = file.name.substr(0, file.name.size() - 4);
    const std::string shown = "keydir/" + file.name;
    if (!is_user_name(user))
      refuse(quoted(shown) + ": " + quoted(user) +
             " is no user name (letters, digits, '.', '_', '-', at most one '@HOST')");
    if (file.bytes.size() > kMaxKeyFile) refuse(shown + ": larger than 1 MiB");
    read_file(file, user, keys);
  }
  std::map<PublicKey, std::string> owner;
  for (const UserKey& key : keys) {
    const auto [at, is_new] = owner.emplace(key.key, key.user);
    if (!is_new && at->second != key.user)
      refuse("keydir: the same key under two users, " + quoted(at->second) + " and " + quoted(key.user));
  }
  std::sort(keys.begin(), keys.end(), [](const UserKey& a, const UserKey& b) {
    return std::tie(a.user, a.key) < std::tie(b.user, b.key);
  });
  keys.erase(
      std::unique(keys.begin(), keys.end(),
                  [](const UserKey& a, const UserKey& b) { return a.user == b.user && a.key == b.key; }),
      keys.end());
  return keys;
}

}  // namespace bk::server
