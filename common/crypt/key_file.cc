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

SecretKey load_key(const std::string& path) {
  const auto refuse = [&](const std::string& why) {
    throw Error(Kind::Config, "the key file " + quoted(path) + " " + why);
  };
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) {
    if (errno == ENOENT) refuse("is missing: without the store's key nothing can be read; put a copy back");
    throw sys_error(errno, "reading the key file " + quoted(path));
  }
  if ((info.st_mode & 077U) != 0) refuse("is open to others than its owner: chmod 600 it");
  const std::optional<std::string> text = try_read_file(path, kMaxKeyFileBytes);
  try {
    return parse_key(text.value_or(""));
  } catch (const Error& error) {
    if (error.kind() != Kind::Protocol) throw;
    refuse(std::string("is no key: ") + error.what());
    throw;
  }
}

void make_key_file(const std::string& path, const SecretKey& key) {
  Fd fd;
  try {
    fd = open_file(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
  } catch (const Error& error) {
    if (error.sys_errno() != EEXIST) throw;
    throw Error(Kind::Refused, quoted(path) + " exists: a key is never overwritten");
  }
  write_all(fd.get(), write_key(key));
  sync_file(fd.get());
  sync_directory(parent_of(clean_absolute(path)));
}

}  // namespace bk
