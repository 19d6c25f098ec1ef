#include "common/crypt/crypt.h"

#include "common/error/error.h"
#include "common/handle/handle.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include <algorithm>
#include <cstring>

namespace bk {
namespace {

using Mac = Handle<EVP_MAC_CTX, EVP_MAC_CTX_free>;
using Cipher = Handle<EVP_CIPHER_CTX, EVP_CIPHER_CTX_free>;

Mac make_mac() {
  static EVP_MAC* const hmac = EVP_MAC_fetch(nullptr, "HMAC", nullptr);
  Mac mac(EVP_MAC_CTX_new(hmac));
  char name[] = "SHA256";
  const OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, name, 0),
                               OSSL_PARAM_construct_end()};
  BK_CHECK(mac && EVP_MAC_CTX_set_params(mac.get(), params) == 1);
  return mac;
}

const unsigned char* raw(std::string_view bytes) {
  return reinterpret_cast<const unsigned char*>(bytes.data());
}
unsigned char* raw(std::string& bytes) { return reinterpret_cast<unsigned char*>(bytes.data()); }

SealNonce nonce_of(std::uint32_t number) {
  SealNonce out{};
  for (std::size_t i = 0; i < 4; ++i) out[i] = static_cast<std::uint8_t>(number >> (8 * i));
  return out;
}

// A context with key, nonce and bound bytes taken in, for either direction.
EVP_CIPHER_CTX* begin(const SecretKey& key, const SealNonce& iv, std::string_view bound, bool encrypt) {
  static EVP_CIPHER* const aes = EVP_CIPHER_fetch(nullptr, "AES-256-GCM", nullptr);
  thread_local const Cipher context(EVP_CIPHER_CTX_new());
  int ignored = 0;
  BK_CHECK(context &&
           EVP_CipherInit_ex2(context.get(), aes, raw(key.view()), iv.data(), encrypt ? 1 : 0, nullptr) == 1);
  BK_CHECK(EVP_CipherUpdate(context.get(), nullptr, &ignored, raw(bound), static_cast<int>(bound.size())) ==
           1);
  return context.get();
}

}  // namespace

SecretKey::SecretKey(std::string_view raw) {
  BK_CHECK(raw.size() == bytes_.size());
  std::memcpy(bytes_.data(), raw.data(), raw.size());
}

SecretKey::~SecretKey() { OPENSSL_cleanse(bytes_.data(), bytes_.size()); }

Digest hmac_sha256(const SecretKey& key, std::string_view bytes) {
  thread_local const Mac mac = make_mac();
  Digest out;
  std::size_t size = 0;
  BK_CHECK(EVP_MAC_init(mac.get(), raw(key.view()), key.view().size(), nullptr) == 1);
  BK_CHECK(EVP_MAC_update(mac.get(), raw(bytes), bytes.size()) == 1);
  BK_CHECK(EVP_MAC_final(mac.get(), out.bytes.data(), &size, out.bytes.size()) == 1 && size == 32);
  return out;
}

SecretKey derive(const SecretKey& key, std::string_view label) {
  return SecretKey(hmac_sha256(key, label).view());
}

std::string seal(const SecretKey& key, std::uint32_t nonce, std::string_view bound, std::string_view plain) {
  return seal(key, nonce_of(nonce), bound, plain);
}

std::string seal(const SecretKey& key, const SealNonce& nonce, std::string_view bound,
                 std::string_view plain) {
  EVP_CIPHER_CTX* const context = begin(key, nonce, bound, true);
  std::string out(plain.size() + kSealBytes, '\0');
  int length = 0;
  int rest = 0;
  BK_CHECK(EVP_CipherUpdate(context, raw(out), &length, raw(plain), static_cast<int>(plain.size())) == 1);
  BK_CHECK(EVP_CipherFinal_ex(context, raw(out) + length, &rest) == 1);
  BK_CHECK(static_cast<std::size_t>(length) + static_cast<std::size_t>(rest) == plain.size());
  BK_CHECK(EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, kSealBytes, raw(out) + plain.size()) == 1);
  return out;
}

std::optional<std::string> unseal(const SecretKey& key, std::uint32_t nonce, std::string_view bound,
                                  std::string_view sealed) {
  return unseal(key, nonce_of(nonce), bound, sealed);
}

std::optional<std::string> unseal(const SecretKey& key, const SealNonce& nonce, std::string_view bound,
                                  std::string_view sealed) {
  if (sealed.size() < kSealBytes) return std::nullopt;
  EVP_CIPHER_CTX* const context = begin(key, nonce, bound, false);
  std::string out(sealed.size() - kSealBytes, '\0');
  std::string tag(sealed.substr(out.size()));
  int length = 0;
  int rest = 0;
  BK_CHECK(EVP_CipherUpdate(context, raw(out), &length, raw(sealed), static_cast<int>(out.size())) == 1);
  BK_CHECK(EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, kSealBytes, raw(tag)) == 1);
  if (EVP_CipherFinal_ex(context, raw(out) + length, &rest) != 1) return std::nullopt;
  return out;
}

}  // namespace bk
