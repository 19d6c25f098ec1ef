#include "common/digest/hasher.h"

#include "common/error/error.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

namespace bk {
namespace {

struct Row {
  HashKind kind;
  std::string_view name;   // for people
  std::string_view plain;  // upper case, without the hyphen
  std::size_t hex_digits;
};
constexpr Row kRows[] = {{HashKind::Md5, "MD5", "MD5", 32},
                         {HashKind::Sha1, "SHA-1", "SHA1", 40},
                         {HashKind::Sha256, "SHA-256", "SHA256", 64},
                         {HashKind::Sha512, "SHA-512", "SHA512", 128}};

const Row& row_of(HashKind kind) { return kRows[static_cast<std::size_t>(kind)]; }

const EVP_MD* algorithm(HashKind kind) {
  switch (kind) {
    case HashKind::Md5:
      return EVP_md5();
    case HashKind::Sha1:
      return EVP_sha1();
    case HashKind::Sha256:
      return EVP_sha256();
    case HashKind::Sha512:
      return EVP_sha512();
  }
  return nullptr;
}

}  // namespace

std::optional<HashKind> parse_hash_kind(std::string_view text) {
  std::string plain;
  for (const char c : text.substr(0, 16)) {
    if (c != '-') plain += c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  }
  for (const Row& row : kRows) {
    if (row.plain == plain) return row.kind;
  }
  return std::nullopt;
}

std::string_view hash_name(HashKind kind) { return row_of(kind).name; }
std::size_t hash_hex_digits(HashKind kind) noexcept { return row_of(kind).hex_digits; }

void Hasher::Free::operator()(evp_md_ctx_st* context) const noexcept { EVP_MD_CTX_free(context); }

Hasher::Hasher(HashKind kind) : kind_(kind), context_(EVP_MD_CTX_new()) {
  if (context_ == nullptr || EVP_DigestInit_ex2(context_.get(), algorithm(kind), nullptr) != 1)
    throw Error(Kind::Io, "OpenSSL offers no " + std::string(hash_name(kind)) + " here (a FIPS provider?)");
}

Hasher& Hasher::update(std::string_view bytes) {
  BK_CHECK(EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()) == 1);
  return *this;
}

std::string Hasher::finish() {
  std::string out(hash_hex_digits(kind_) / 2, '\0');
  BK_CHECK(EVP_DigestFinal_ex(context_.get(), reinterpret_cast<unsigned char*>(out.data()), nullptr) == 1);
  BK_CHECK(EVP_DigestInit_ex2(context_.get(), algorithm(kind_), nullptr) == 1);
  return out;
}

std::string Hasher::of(HashKind kind, std::string_view bytes) { return Hasher(kind).update(bytes).finish(); }

std::string hmac_sha256_of(std::string_view key, std::string_view bytes) {
  std::string out(32, '\0');
  unsigned length = 0;
  BK_CHECK(::HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
                  reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(),
                  reinterpret_cast<unsigned char*>(out.data()), &length) != nullptr &&
           length == 32);
  return out;
}

}  // namespace bk
