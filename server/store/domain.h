// The key domain of a store: what its objects are called on the disk, and how their bytes are covered.
//
// Everything above the store, and every node in it, knows *plain* ids: SHA-256 over kind and content.  What
// is written where nobody needs a key to see it (the index, and the tables before they are covered) are
// *stored* ids.  In domain 0 both are the same bytes.  In domain 1 (docs/formats/store.md, Encryption) a
// stored id is the HMAC of the plain one, and group records, snapshot objects and checkpoints are covered by
// AES-256-GCM. StoredId is a type of its own so that no plain id gets into an index by mistake.
//
// Any thread.
#pragma once

#include "common/chunk/chunk_id.h"
#include "common/crypt/crypt.h"

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace bk::store {

struct StoredId {
  Digest digest;
  auto operator<=>(const StoredId&) const = default;
};

// The keys of one store in domain 1.
class Domain {
 public:
  Domain(const SecretKey& master, std::string_view store_id);
  [[nodiscard]] StoredId stored(const ChunkId& plain) const;
  // What records name their key by.
  [[nodiscard]] std::uint32_t key_id() const { return key_id_; }
  [[nodiscard]] const std::string& key_name() const { return key_name_; }
  // The key of one record of one pack; `nonce` is random, 16 bytes.
  [[nodiscard]] SecretKey record_key(std::uint64_t pack, std::string_view nonce) const;
  // 32 hex digits for a source, which tell nothing about it.
  [[nodiscard]] std::string source_key(std::string_view source) const;
  // A whole small object, which opens under this name only.
  [[nodiscard]] std::string cover(std::string_view name, std::string_view text) const;
  [[nodiscard]] std::optional<std::string> uncover(std::string_view name, std::string_view covered) const;

 private:
  std::string store_id_, key_name_;
  SecretKey identity_, data_;
  std::uint32_t key_id_ = 0;
};

// Which store: its id, and the keys of its domain when it has some.
struct StoreId {
  std::array<std::uint8_t, 16> bytes{};
  std::shared_ptr<const Domain> domain{};  // none in domain 0
  [[nodiscard]] const std::uint8_t* data() const { return bytes.data(); }
  [[nodiscard]] std::uint8_t* data() { return bytes.data(); }
  [[nodiscard]] std::size_t size() const { return bytes.size(); }
  bool operator==(const StoreId& other) const { return bytes == other.bytes; }
  [[nodiscard]] StoredId stored(const ChunkId& plain) const {
    return domain ? domain->stored(plain) : StoredId{plain};
  }
};

}  // namespace bk::store
