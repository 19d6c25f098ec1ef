#include "server/store/sealed.h"

#include "common/error/error.h"
#include "server/store/bytes.h"

namespace bk::store {
namespace {

constexpr std::size_t kNonceBytes = 16;

std::string labeled(std::string_view label, std::string_view a, std::string_view b = {}) {
  return std::string(label) + std::string(a) + std::string(b);
}

std::string_view front_of(ObjectKind kind, std::string_view sealed) {
  if (kind == ObjectKind::Data) return {};
  if (!is_sealed_node(sealed)) ByteReader::fail("a node that should be sealed is not");
  return node_front(sealed);
}

}  // namespace

// The nonce is a digest of all that is sealed under this object's key, so that another compression of the
// same content never meets the same pair of key and nonce.
std::string ObjectSealer::seal(const ChunkId& plain, std::string_view front, std::string_view object) {
  const EncodedGroup packed = encoder_.encode(object);
  ByteWriter text;
  text.u8(static_cast<unsigned char>(packed.codec)).varint(object.size()).text(packed.bytes);
  const SecretKey own = derive(identity_, labeled("seal", plain.view()));
  const Digest digest = hmac_sha256(own, labeled("nonce", front, text.bytes()));
  const std::string nonce(digest.view().substr(0, kNonceBytes));
  return std::string(front) + nonce + bk::seal(derive(own, labeled("key", nonce)), 0, front, text.bytes());
}

std::string ObjectSealer::open(ObjectKind kind, const ChunkId& plain, std::string_view sealed) {
  const std::string_view front = front_of(kind, sealed);
  ByteReader in(sealed.substr(front.size()));
  const std::string_view nonce = in.raw(kNonceBytes);
  const SecretKey own = derive(identity_, labeled("seal", plain.view()));
  const std::optional<std::string> text =
      unseal(derive(own, labeled("key", nonce)), 0, front, in.raw(in.left()));
  if (!text) ByteReader::fail("the key does not open a sealed object");
  ByteReader fields(*text);
  const std::uint8_t codec = fields.u8();
  if (codec > 1) ByteReader::fail("an unknown codec in a sealed object");
  const auto bytes = static_cast<std::uint32_t>(fields.varint(kMaxObjectBytes));
  const std::string_view packed = fields.text(kMaxObjectBytes);
  if (fields.raw(fields.left()).find_first_not_of('\0') != std::string_view::npos)
    ByteReader::fail("a sealed object is filled up with something else than zeros");
  std::string object = decoder_.decode(static_cast<Codec>(codec), packed, bytes);
  if (chunk_id(kind, object) != plain)
    ByteReader::fail("a sealed object's content differs from its identity");
  return object;
}

std::string seal_binding(const SnapshotRecord& record) {
  const std::string nul(1, '\0');
  return record.client + nul + record.module + nul + record.method + nul + record.name;
}

}  // namespace bk::store
