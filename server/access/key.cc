#include "server/access/key.h"

#include "common/digest/sha256.h"
#include "common/error/error.h"
#include "common/text/escape.h"
#include "server/access/gitosis_conf.h"
#include "server/access/ini.h"
#include "server/access/key_blob.h"
#include "server/access/key_limits.h"

#include <algorithm>
#include <map>

namespace bk::server {
namespace {

[[noreturn]] void refuse(const std::string& reason) { throw Error(Kind::Config, reason); }

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

bool is_blank(char c) { return c == ' ' || c == '\t'; }

// Why a first word is no key type, for the mistakes that people make.
[[noreturn]] void refuse_type(std::string_view word, std::string_view line) {
  if (line.find("PRIVATE KEY") != std::string_view::npos || line.starts_with("PuTTY-User-Key-File"))
    refuse("this is a PRIVATE key: it must never leave its owner; make a new pair and send the *.pub file");
  if (line.starts_with("---- BEGIN SSH2"))
    refuse("a key in the format of RFC 4716; convert it with ssh-keygen -i -f FILE");
  if (word.ends_with("-cert-v01@openssh.com"))
    refuse("a certificate: certificates are not used here; take the plain public key");
  if (word == "ssh-dss") refuse("DSA keys are no longer taken by sshd; make one with ssh-keygen -t ed25519");
  refuse(quoted(word.substr(0, 80)) + " is no key type that is accepted here");
}

// Where the options that stand before the type end: at the first blank outside quotation marks.
std::size_t end_of_options(std::string_view line) {
  bool quoted_part = false;
  for (std::size_t i = 0; i < line.size(); ++i) {
    if (line[i] == '"') quoted_part = !quoted_part;
    if (is_blank(line[i]) && !quoted_part) return i;
  }
  return line.size();
}

void check_line(std::string_view line) {
  if (line.size() > kMaxKeyLine) refuse("a line longer than " + std::to_string(kMaxKeyLine) + " bytes");
  if (std::any_of(line.begin(), line.end(),
                  [](char c) { return (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f; }))
    refuse("a control byte in the line");
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
      out.push_back(parse_user_key_line(text));
      out.back().user = user;
    } catch (const Error& error) {
      refuse_line(shown, line, error.what());
    }
    if (out.size() > kMaxKeys) refuse_line(shown, line, "more than " + std::to_string(kMaxKeys) + " keys");
  }
}

}  // namespace

PublicKey parse_key_line(std::string_view line) {
  check_line(line);
  const std::vector<std::string> words = split_words(line);
  if (words.empty()) refuse("no key");
  if (!is_key_type(words[0])) refuse_type(words[0], line);
  if (words.size() < 2) refuse("the key's data is missing");
  const std::optional<std::string> blob = decode_base64(words[1]);
  if (!blob) refuse("the key's data is no canonical base64");
  check_key_blob(words[0], *blob);
  return {words[0], words[1]};
}

UserKey parse_user_key_line(std::string_view line) {
  check_line(line);
  while (!line.empty() && is_blank(line.front())) line.remove_prefix(1);
  const std::size_t end = end_of_options(line);
  const std::string_view options = line.substr(0, end);
  if (options.find('=') == std::string_view::npos || is_key_type(options))
    return {{}, parse_key_line(line), {}};
  const KeyLimits limits = parse_key_limits(options);
  return {{}, parse_key_line(line.substr(end)), limits};
}

std::string fingerprint_of(const PublicKey& key) {
  const std::string sum = base64url_encode(Sha256::of(decode_base64(key.base64).value_or("")).view());
  std::string out = "SHA256:" + sum.substr(0, sum.find('='));
  for (char& c : out) {
    if (c == '-') c = '+';
    if (c == '_') c = '/';
  }
  return out;
}

namespace {

// The same key twice would let sshd choose whose it is, or which limits hold.
void check_unique(const std::vector<UserKey>& keys) {
  std::map<PublicKey, const UserKey*> first;
  for (const UserKey& key : keys) {
    const auto [at, is_new] = first.emplace(key.key, &key);
    if (is_new) continue;
    if (at->second->user != key.user)
      refuse("keydir: the same key under two users, " + quoted(at->second->user) + " and " +
             quoted(key.user));
    if (at->second->limits != key.limits)
      refuse("keydir/" + key.user + ".pub: the same key twice, with different options");
  }
}

}  // namespace

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
  check_unique(keys);
  std::sort(keys.begin(), keys.end());
  keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
  return keys;
}

}  // namespace bk::server
