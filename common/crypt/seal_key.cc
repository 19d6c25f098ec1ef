#include "common/crypt/seal_key.h"

#include "common/crypt/hpke.h"
#include "common/crypt/key_file.h"
#include "common/error/error.h"
#include "common/text/document.h"
#include "common/text/escape.h"

namespace bk {
namespace {

std::string field(const Document& doc, std::string_view key) {
  const std::optional<std::string> raw = hex_decode(doc.get(key));
  if (!raw || raw->size() != 32) throw Error(Kind::Protocol, std::string(key) + " is not 64 hex digits");
  return *raw;
}

void check_name(const Document& doc, const SealKey& key) {
  if (doc.get("name") != key.name()) throw Error(Kind::Protocol, "the name is not that of the key");
}

}  // namespace

std::string SealKey::name() const {
  return hmac_sha256(identity, "backline seal name" + public_key).hex().substr(0, 32);
}

SealKey UnsealKey::sealing() const { return {public_key_of(private_key), identity}; }

UnsealKey new_unseal_key(Random& random) {
  return {SecretKey(random.bytes(32)), SecretKey(random.bytes(32))};
}

std::string write_seal_key(const SealKey& key) {
  Document doc("bk-seal", 1);
  doc.add("name", key.name()).add("public", hex_encode(key.public_key));
  return doc.add("identity", hex_encode(key.identity.view())).write();
}

std::string write_unseal_key(const UnsealKey& key) {
  Document doc("bk-unseal", 1);
  doc.add("name", key.sealing().name()).add("private", hex_encode(key.private_key.view()));
  return doc.add("identity", hex_encode(key.identity.view())).write();
}

SealKey parse_seal_key(std::string_view text) {
  const Document doc = Document::parse(text, "bk-seal");
  doc.allow_only({"name", "public", "identity"});
  SealKey key{field(doc, "public"), SecretKey(field(doc, "identity"))};
  check_name(doc, key);
  return key;
}

UnsealKey parse_unseal_key(std::string_view text) {
  const Document doc = Document::parse(text, "bk-unseal");
  doc.allow_only({"name", "private", "identity"});
  UnsealKey key{SecretKey(field(doc, "private")), SecretKey(field(doc, "identity"))};
  check_name(doc, key.sealing());
  return key;
}

SealKey load_seal_key(const std::string& path) {
  return load_secret_file(path, "put a copy back", parse_seal_key);
}

UnsealKey load_unseal_key(const std::string& path) {
  return load_secret_file(path, "without it nobody can read what was sealed", parse_unseal_key);
}

void make_seal_key_files(const std::string& seal_path, const std::string& unseal_path, const UnsealKey& key) {
  make_secret_file(unseal_path, write_unseal_key(key));
  make_secret_file(seal_path, write_seal_key(key.sealing()));
}

}  // namespace bk
