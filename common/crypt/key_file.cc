#include "common/crypt/key_file.h"

#include "common/error/error.h"
#include "common/io/file.h"
#include "common/text/document.h"
#include "common/text/escape.h"

#include <fcntl.h>
#include <sys/stat.h>

namespace bk {
namespace {

constexpr std::uint64_t kMaxKeyFileBytes = 4096;

}  // namespace

std::string key_name(const SecretKey& key) {
  return hmac_sha256(key, "backline key name").hex().substr(0, 32);
}

SecretKey new_key(Random& random) { return SecretKey(random.bytes(32)); }

std::string write_key(const SecretKey& key) {
  Document doc("bk-key", 1);
  doc.add("name", key_name(key)).add("key", hex_encode(key.view()));
  return doc.write();
}

SecretKey parse_key(std::string_view text) {
  const Document doc = Document::parse(text, "bk-key");
  doc.allow_only({"name", "key"});
  const std::optional<std::string> raw = hex_decode(doc.get("key"));
  if (!raw || raw->size() != 32) throw Error(Kind::Protocol, "key is not 64 hex digits");
  SecretKey key(*raw);
  if (doc.get("name") != key_name(key)) throw Error(Kind::Protocol, "the name is not that of the key");
  return key;
}

void refuse_secret_file(const std::string& path, const std::string& why) {
  throw Error(Kind::Config, "the key file " + quoted(path) + " " + why);
}

std::string read_secret_file(const std::string& path, const std::string& loss) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) {
    if (errno == ENOENT) refuse_secret_file(path, "is missing: " + loss);
    throw sys_error(errno, "reading the key file " + quoted(path));
  }
  if ((info.st_mode & 077U) != 0) refuse_secret_file(path, "is open to others than its owner: chmod 600 it");
  return try_read_file(path, kMaxKeyFileBytes).value_or("");
}

SecretKey load_key(const std::string& path) {
  return load_secret_file(path, "without the store's key nothing can be read; put a copy back", parse_key);
}

void make_secret_file(const std::string& path, std::string_view text) {
  Fd fd;
  try {
    fd = open_file(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
  } catch (const Error& error) {
    if (error.sys_errno() != EEXIST) throw;
    throw Error(Kind::Refused, quoted(path) + " exists: a key is never overwritten");
  }
  write_all(fd.get(), text);
  sync_file(fd.get());
  sync_directory(parent_of(clean_absolute(path)));
}

void make_key_file(const std::string& path, const SecretKey& key) { make_secret_file(path, write_key(key)); }

}  // namespace bk
