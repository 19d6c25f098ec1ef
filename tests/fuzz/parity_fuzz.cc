// The file of parity beside a pack, as a rotten disk or a hostile copy may hold it.  The first byte chooses:
// a head, a table, or a whole file with the pack that it should repair.
//
// Only Corrupt may come out; what parses is written as the same bytes again; memory stays within what the
// files' own sizes justify.
#include "common/error/error.h"
#include "common/io/fd.h"
#include "common/parity/reed_solomon.h"
#include "server/store/bytes.h"
#include "server/store/parity.h"

#include <sys/mman.h>

#include <cstdint>
#include <string>
#include <string_view>

namespace {

using namespace bk;         // NOLINT: a harness
using namespace bk::store;  // NOLINT

const PackRef kRef{};

class Bytes final : public ObjectReader {
 public:
  explicit Bytes(std::string_view bytes) : bytes_(bytes) {}
  std::uint64_t size() override { return bytes_.size(); }
  std::size_t read(std::uint64_t offset, char* into, std::size_t bytes) override {
    return offset >= bytes_.size() ? 0 : bytes_.copy(into, bytes, offset);
  }

 private:
  std::string_view bytes_;
};

template <class Body>
void only_corrupt(const Body& body) {
  try {
    body();
  } catch (const Error& error) {
    BK_CHECK(error.kind() == Kind::Corrupt);
  }
}

// A fuzzer guesses neither magic nor sums: with them, what lies behind is reached.
std::string sealed_head(std::string_view bytes) {
  std::string head = "BKPAR001" + std::string(24, '\0') + std::string(bytes.substr(0, 24));
  head.resize(kParityHeadBytes - 8, '\0');
  return ByteWriter().raw(head).u64(crc64(head)).take();
}

std::string sealed_table(std::string_view bytes) {
  const std::string head = sealed_head(bytes);
  std::string out = head + std::string(bytes.substr(std::min<std::size_t>(24, bytes.size())));
  const ShortDigest digest = shorten(Sha256::of(out));
  out.append(reinterpret_cast<const char*>(digest.data()), digest.size());
  return out + head;
}

void try_head(std::string_view bytes) {
  only_corrupt([&] {
    const std::string head = sealed_head(bytes);
    const ParityShape shape = parse_parity_head(head, kRef);
    BK_CHECK(write_parity_table({kRef, shape, {}, {}}).starts_with(head));
  });
}

void try_table(std::string_view bytes) {
  only_corrupt([&] {
    const std::string table = sealed_table(bytes);
    BK_CHECK(write_parity_table(parse_parity_table(table, kRef)) == table);
  });
}

// u8: how much of the input is the pack, in 256 parts; then the pack, then its parity.
void try_file(std::string_view bytes) {
  if (bytes.empty()) return;
  const std::size_t part = (bytes.size() - 1) * static_cast<unsigned char>(bytes[0]) / 256;
  const std::string parity_bytes = sealed_table(bytes.substr(1 + part));
  Bytes pack(bytes.substr(1, part)), parity(parity_bytes);
  only_corrupt([&] { (void)count_damaged_parity(parity, kRef); });
  only_corrupt([&] {
    const ParityCheck check = check_parity(pack, parity, kRef);
    if (check.table.shape.pack_bytes > (1U << 20U) || check.table.shape.block_bytes > (1U << 14U)) return;
    const Fd out(::memfd_create("repaired", MFD_CLOEXEC));
    (void)write_repaired(pack, parity, check, out.get());
  });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 3) {
    case 0:
      try_head(bytes);
      break;
    case 1:
      try_table(bytes);
      break;
    default:
      try_file(bytes);
  }
  return 0;
}
