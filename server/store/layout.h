// Where things lie in a store folder and in its index folder, and the store's header.
#pragma once

#include "common/chunk/chunker.h"
#include "server/store/record.h"

#include <cstdint>
#include <string>
#include <vector>

namespace bk::store {

struct Layout {
  std::string store;  // absolute folder of the store
  std::string index;  // folder of what can be rebuilt

  [[nodiscard]] std::string header() const { return store + "/header"; }
  [[nodiscard]] std::string packs() const { return store + "/packs"; }
  [[nodiscard]] std::string pack(std::uint64_t number) const;
  [[nodiscard]] std::string journals() const { return store + "/journal"; }
  [[nodiscard]] std::string journal(std::uint64_t number) const;
  [[nodiscard]] std::string snapshots() const { return store + "/snapshots"; }
  [[nodiscard]] std::string runs() const { return index + "/chunks"; }
  [[nodiscard]] std::string possession(const std::string& client) const {
    return index + "/possession/" + client;
  }
  [[nodiscard]] std::string index_header() const { return index + "/header"; }
  [[nodiscard]] std::string index_lock() const { return index + "/lock"; }
};

// The numbers of all "<16 hex digits>.pack" files of a folder, sorted.  Other names are left alone.
[[nodiscard]] std::vector<std::uint64_t> list_packs(const std::string& folder);
[[nodiscard]] std::string pack_name(std::uint64_t number);
// A number nobody else has: 64 random bits.
[[nodiscard]] std::uint64_t new_number();
// "pack 0123456789abcdef" for messages.
[[nodiscard]] std::string shown_pack(std::uint64_t number);

// store/header: text in the family of common/text/document.h.
struct StoreHeader {
  StoreId id{};
  ChunkerParams chunker;
};
[[nodiscard]] std::string write_header(const StoreHeader& header);
[[nodiscard]] StoreHeader parse_header(std::string_view text);  // throws Protocol; Config for what is newer

}  // namespace bk::store
