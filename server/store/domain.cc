#include "server/store/domain.h"

#include "common/crypt/key_file.h"
#include "common/random/random.h"
#include "common/text/escape.h"
#include "server/store/bytes.h"

namespace bk::store {
namespace {

constexpr std::string_view kCoverMagic = "BKCOVER1";
constexpr std::size_t kNonceBytes = 16;

std::string of_store(std::string_view purpose, std::string_view store_id) {
  return std::string(purpose) + std::string(store_id);
}

std::uint32_t first_word(const std::string& hex) {
  const std::string raw = hex_decode(hex).value_or("");
  return static_cast<std::uint32_t>(ByteReader(raw).u32());
}

}  // namespace

Domain::Domain(const SecretKey& master, std::string_view store_id)
    : store_id_(store_id),
      key_name_(bk::key_name(master)),
      identity_(derive(master, of_store("backline identity", store_id))),
      data_(derive(master, of_store("backline data", store_id))),
      key_id_(first_word(key_name_)) {}

StoredId Domain::stored(const ChunkId& plain) const { return {hmac_sha256(identity_, plain.view())}; }

SecretKey Domain::record_key(std::uint64_t pack, std::string_view nonce) const {
  return derive(data_, ByteWriter().raw("record").u64(pack).raw(nonce).bytes());
}

std::string Domain::source_key(std::string_view source) const {
  return hmac_sha256(identity_, of_store("source", source)).hex().substr(0, 32);
}

std::string Domain::cover(std::string_view name, std::string_view text) const {
  const std::string nonce = SystemRandom().bytes(kNonceBytes);
  const std::string head = ByteWriter().raw(kCoverMagic).u32(key_id_).u32(0).raw(nonce).take();
  const SecretKey key = derive(data_, of_store("object", nonce));
  return head + seal(key, 0, head + store_id_ + std::string(name), text);
}

std::optional<std::string> Domain::uncover(std::string_view name, std::string_view covered) const {
  constexpr std::size_t kHeadBytes = kCoverMagic.size() + 8 + kNonceBytes;
  if (covered.size() < kHeadBytes || !covered.starts_with(kCoverMagic)) return std::nullopt;
  const std::string head(covered.substr(0, kHeadBytes));
  const SecretKey key = derive(data_, of_store("object", head.substr(kHeadBytes - kNonceBytes)));
  return unseal(key, 0, head + store_id_ + std::string(name), covered.substr(kHeadBytes));
}

}  // namespace bk::store
