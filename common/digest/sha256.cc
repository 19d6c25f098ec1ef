#include "common/digest/sha256.h"

#include "common/error/error.h"
#include "common/text/escape.h"

#include <openssl/evp.h>

namespace bk {
namespace {

// Fetched once: OpenSSL 3 otherwise looks the algorithm up at every init.
const EVP_MD* algorithm() {
  static EVP_MD* const md = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  return md;
}

}  // namespace

std::string Digest::hex() const { return hex_encode(view()); }

std::optional<Digest> Digest::from_hex(std::string_view text) {
  const std::optional<std::string> raw = hex_decode(text);
  if (!raw || raw->size() != 32) return std::nullopt;
  return from_bytes(*raw);
}

Digest Digest::from_bytes(std::string_view raw) {
  BK_CHECK(raw.size() == 32);
  Digest digest;
  std::memcpy(digest.bytes.data(), raw.data(), 32);
  return digest;
}

void Sha256::Free::operator()(evp_md_ctx_st* context) const noexcept { EVP_MD_CTX_free(context); }

Sha256::Sha256() : context_(EVP_MD_CTX_new()) {
  BK_CHECK(context_ != nullptr && EVP_DigestInit_ex2(context_.get(), algorithm(), nullptr) == 1);
}
Sha256::~Sha256() = default;
Sha256::Sha256(Sha256&&) noexcept = default;
Sha256& Sha256::operator=(Sha256&&) noexcept = default;

Sha256& Sha256::update(std::string_view bytes) {
  BK_CHECK(EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()) == 1);
  return *this;
}

Digest Sha256::finish() {
  Digest digest;
  BK_CHECK(EVP_DigestFinal_ex(context_.get(), digest.bytes.data(), nullptr) == 1);
  BK_CHECK(EVP_DigestInit_ex2(context_.get(), algorithm(), nullptr) == 1);
  return digest;
}

Digest Sha256::of(std::string_view bytes) {
  thread_local Sha256 hash;
  return hash.update(bytes).finish();
}

}  // namespace bk
