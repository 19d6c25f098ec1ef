#include "common/crypt/hpke.h"

#include "common/error/error.h"
#include "common/handle/handle.h"

#include <openssl/evp.h>

#include <cstring>

namespace bk {
namespace {

using PKey = Handle<EVP_PKEY, EVP_PKEY_free>;
using PKeyContext = Handle<EVP_PKEY_CTX, EVP_PKEY_CTX_free>;

constexpr unsigned kAes256Gcm = 2;
constexpr std::size_t kNonceBytes = 12;

const unsigned char* raw(std::string_view bytes) {
  return reinterpret_cast<const unsigned char*>(bytes.data());
}
unsigned char* raw(std::string& bytes) { return reinterpret_cast<unsigned char*>(bytes.data()); }

PKey private_of(const SecretKey& key) {
  PKey out(EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, nullptr, raw(key.view()), key.view().size()));
  BK_CHECK(out);
  return out;
}

std::string number16(std::size_t value) {
  return {static_cast<char>(value >> 8U), static_cast<char>(value & 0xFFU)};
}

// RFC 9180, 4: HKDF-SHA256 with labels; what is expanded here is never longer than one digest.
class LabeledHkdf {
 public:
  explicit LabeledHkdf(std::string suite) : suite_(std::move(suite)) {}
  [[nodiscard]] SecretKey extract(const SecretKey& salt, std::string_view label, std::string_view ikm) const {
    return derive(salt, "HPKE-v1" + suite_ + std::string(label) + std::string(ikm));
  }
  [[nodiscard]] std::string expand(const SecretKey& prk, std::string_view label, const std::string& info,
                                   std::size_t bytes) const {
    BK_CHECK(bytes <= 32);
    const std::string text = number16(bytes) + "HPKE-v1" + suite_ + std::string(label) + info + '\x01';
    return std::string(hmac_sha256(prk, text).view().substr(0, bytes));
  }

 private:
  std::string suite_;
};

std::optional<std::string> diffie_hellman(const SecretKey& own, std::string_view peer) {
  const PKey mine = private_of(own);
  const PKey theirs(EVP_PKEY_new_raw_public_key(EVP_PKEY_X25519, nullptr, raw(peer), peer.size()));
  const PKeyContext context(EVP_PKEY_CTX_new(mine.get(), nullptr));
  std::string out(32, '\0');
  std::size_t size = out.size();
  // The derivation fails for the few points of small order, as RFC 7748 wants it.
  if (!theirs || !context || EVP_PKEY_derive_init(context.get()) != 1 ||
      EVP_PKEY_derive_set_peer(context.get(), theirs.get()) != 1 ||
      EVP_PKEY_derive(context.get(), raw(out), &size) != 1 || size != out.size())
    return std::nullopt;
  return out;
}

// One message has sequence number 0: its nonce is the base nonce.
SealNonce nonce_of(const HpkeKey& key) {
  SealNonce out{};
  std::memcpy(out.data(), key.nonce.data(), out.size());
  return out;
}

}  // namespace

std::string public_key_of(const SecretKey& private_key) {
  std::string out(kPublicKeyBytes, '\0');
  std::size_t size = out.size();
  BK_CHECK(EVP_PKEY_get_raw_public_key(private_of(private_key).get(), raw(out), &size) == 1 &&
           size == out.size());
  return out;
}

std::optional<SecretKey> hpke_shared(const SecretKey& own, std::string_view peer, std::string_view sender,
                                     std::string_view receiver) {
  const std::optional<std::string> dh = diffie_hellman(own, peer);
  if (!dh) return std::nullopt;
  const LabeledHkdf kdf("KEM" + number16(0x0020));
  const SecretKey prk = kdf.extract(SecretKey(), "eae_prk", *dh);
  return SecretKey(kdf.expand(prk, "shared_secret", std::string(sender) + std::string(receiver), 32));
}

HpkeKey hpke_schedule(const SecretKey& shared, unsigned cipher, std::size_t key_bytes,
                      std::string_view info) {
  const LabeledHkdf kdf("HPKE" + number16(0x0020) + number16(0x0001) + number16(cipher));
  const std::string context = std::string(1, '\0') +
                              std::string(kdf.extract(SecretKey(), "psk_id_hash", "").view()) +
                              std::string(kdf.extract(SecretKey(), "info_hash", info).view());
  const SecretKey secret = kdf.extract(shared, "secret", "");
  return {kdf.expand(secret, "key", context, key_bytes),
          kdf.expand(secret, "base_nonce", context, kNonceBytes)};
}

std::string hpke_seal(std::string_view public_key, std::string_view info, std::string_view bound,
                      std::string_view plain, Random& random) {
  const SecretKey once(random.bytes(32));
  const std::string sender = public_key_of(once);
  const std::optional<SecretKey> shared = hpke_shared(once, public_key, sender, public_key);
  if (!shared) throw Error(Kind::Config, "the public key to seal to is none");
  const HpkeKey key = hpke_schedule(*shared, kAes256Gcm, 32, info);
  return sender + seal(SecretKey(key.key), nonce_of(key), bound, plain);
}

std::optional<std::string> hpke_open(const SecretKey& private_key, std::string_view info,
                                     std::string_view bound, std::string_view sealed) {
  if (sealed.size() < kHpkeBytes) return std::nullopt;
  const std::string_view sender = sealed.substr(0, kPublicKeyBytes);
  const std::optional<SecretKey> shared =
      hpke_shared(private_key, sender, sender, public_key_of(private_key));
  if (!shared) return std::nullopt;
  const HpkeKey key = hpke_schedule(*shared, kAes256Gcm, 32, info);
  return unseal(SecretKey(key.key), nonce_of(key), bound, sealed.substr(kPublicKeyBytes));
}

}  // namespace bk
