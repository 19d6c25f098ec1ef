#include "server/store/layout.h"

#include "common/error/error.h"
#include "common/io/file.h"
#include "common/random/random.h"
#include "common/text/document.h"
#include "common/text/escape.h"

#include <charconv>
#include <cstring>

namespace bk::store {
namespace {

std::string hex16(std::uint64_t number) {
  std::string out(16, '0');
  for (std::size_t i = 16; i-- > 0; number >>= 4U) out[i] = "0123456789abcdef"[number & 15U];
  return out;
}

}  // namespace

std::string pack_name(std::uint64_t number) { return hex16(number) + ".pack"; }
std::string shown_pack(std::uint64_t number) { return "pack " + hex16(number); }

std::string Layout::pack_object(std::uint64_t number) {
  const std::string name = pack_name(number);
  return kPackObjects + name.substr(0, 2) + "/" + name;
}

std::string Layout::parity_object(std::uint64_t number) {
  const std::string name = hex16(number);
  return kPackObjects + name.substr(0, 2) + "/" + name + ".parity";
}

std::string Layout::journal(std::uint64_t number) const { return journals() + "/" + pack_name(number); }

std::optional<std::uint64_t> pack_number(std::string_view name) {
  std::uint64_t number = 0;
  if (name.size() != 21 || std::from_chars(name.data(), name.data() + 16, number, 16).ec != std::errc())
    return std::nullopt;
  if (pack_name(number) != name) return std::nullopt;
  return number;
}

std::string default_index(const std::string& directory) {
  return base_name(directory) == "store" ? join_path(parent_of(directory), "index") : directory + ".index";
}

std::vector<std::uint64_t> list_packs(const std::string& folder) {
  std::vector<std::uint64_t> numbers;
  for (const std::string& name : list_directory(folder)) {
    if (const auto number = pack_number(name)) numbers.push_back(*number);
  }
  return numbers;
}

std::uint64_t new_number() {
  std::uint64_t number = 0;
  std::memcpy(&number, SystemRandom().bytes(8).data(), 8);
  return number;
}

std::string write_header(const StoreHeader& header) {
  Document doc("bk-store", 1);
  doc.add("id", hex_encode({reinterpret_cast<const char*>(header.id.data()), header.id.size()}));
  doc.add("algorithm", "sha256");
  doc.add("domain", std::uint64_t{header.key_name.empty() ? kDomainPlain : kDomainKeyed});
  doc.add_if("key", header.key_name);
  doc.add("chunk-min", header.chunker.min_bytes);
  doc.add("chunk-average", header.chunker.average_bytes);
  doc.add("chunk-max", header.chunker.max_bytes);
  return doc.write();
}

namespace {

bool is_key_name(const std::string& text) { return text.size() == 32 && hex_decode(text).has_value(); }

}  // namespace

StoreHeader parse_header(std::string_view text) {
  const Document doc = Document::parse(text, "bk-store");
  doc.allow_only({"id", "algorithm", "domain", "key", "chunk-min", "chunk-average", "chunk-max"});
  StoreHeader out;
  const std::optional<std::string> id = hex_decode(doc.get("id"));
  if (!id || id->size() != out.id.size()) throw Error(Kind::Protocol, "id is not 32 hex digits");
  std::memcpy(out.id.data(), id->data(), out.id.size());
  const std::uint64_t domain = doc.get_number("domain");
  if (doc.get("algorithm") != "sha256" || domain > kDomainKeyed)
    throw Error(Kind::Config, "the store uses an algorithm or key domain that this program does not know");
  out.key_name = doc.find("key").value_or("");
  if (domain == kDomainPlain ? doc.find("key").has_value() : !is_key_name(out.key_name))
    throw Error(Kind::Protocol, "key is not the name of a key, or of no use");
  out.chunker.min_bytes = static_cast<std::uint32_t>(doc.get_number("chunk-min", UINT32_MAX));
  out.chunker.average_bytes = static_cast<std::uint32_t>(doc.get_number("chunk-average", UINT32_MAX));
  out.chunker.max_bytes = static_cast<std::uint32_t>(doc.get_number("chunk-max", UINT32_MAX));
  if (!out.chunker.valid()) throw Error(Kind::Protocol, "impossible chunk sizes");
  return out;
}

}  // namespace bk::store
