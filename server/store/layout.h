// Where things lie: objects in a storage, local files in the store's folder and in its index folder; and the
// store's header.  In a store on a local disk the objects are files of the store's folder, too.
#pragma once

#include "common/chunk/chunker.h"
#include "common/storage/storage.h"
#include "server/store/record.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace bk::store {

struct Layout {
  std::shared_ptr<Storage> storage;                 // header, packs, snapshot objects
  std::string store;                                // absolute folder of journals, locks and checkpoints
  std::string index;                                // folder of what can be rebuilt
  std::uint64_t reserve_bytes = 0;                  // of reserve.h
  unsigned parity_percent = kDefaultParityPercent;  // of new packs; 0: none
  std::shared_ptr<const Domain> domain{};           // what covers the small objects; none in domain 0

  static constexpr const char* kHeaderObject = "header";
  static constexpr const char* kPackObjects = "packs/";
  [[nodiscard]] static std::string pack_object(std::uint64_t number);
  [[nodiscard]] static std::string parity_object(std::uint64_t number);  // beside its pack
  [[nodiscard]] static std::string snapshot_objects(const std::string& client) {
    return "snapshots/" + client + "/";
  }
  [[nodiscard]] std::string journals() const { return store + "/journal"; }
  [[nodiscard]] std::string journal(std::uint64_t number) const;
  [[nodiscard]] std::string writers() const { return store + "/locks"; }
  [[nodiscard]] std::string clean_lock() const { return store + "/locks/clean"; }
  [[nodiscard]] std::string condemned() const { return index + "/condemned"; }
  [[nodiscard]] std::string snapshots() const { return store + "/snapshots"; }
  [[nodiscard]] std::string runs() const { return index + "/chunks"; }
  [[nodiscard]] std::string possession(const std::string& client) const {
    return index + "/possession/" + client;
  }
  [[nodiscard]] std::string index_header() const { return index + "/header"; }
  [[nodiscard]] std::string index_lock() const { return index + "/lock"; }
  [[nodiscard]] std::string index_building() const { return index + "/building"; }
  [[nodiscard]] std::string index_emptying() const { return index + "/emptying"; }
};

// Where a store in this folder has what can be rebuilt, when nothing else is said.
[[nodiscard]] std::string default_index(const std::string& directory);
// The numbers of all "<16 hex digits>.pack" files of a folder, sorted.  Other names are left alone.
[[nodiscard]] std::vector<std::uint64_t> list_packs(const std::string& folder);
[[nodiscard]] std::string pack_name(std::uint64_t number);
// The number in such a name; nothing for other names.
[[nodiscard]] std::optional<std::uint64_t> pack_number(std::string_view name);
// A number nobody else has: 64 random bits.
[[nodiscard]] std::uint64_t new_number();
// "pack 0123456789abcdef" for messages.
[[nodiscard]] std::string shown_pack(std::uint64_t number);

// store/header: text in the family of common/text/document.h.
struct StoreHeader {
  StoreId id{};          // without its domain's keys
  std::string key_name;  // of domain 1; empty in domain 0
  ChunkerParams chunker;
};
[[nodiscard]] std::string write_header(const StoreHeader& header);
[[nodiscard]] StoreHeader parse_header(std::string_view text);  // throws Protocol; Config for what is newer

}  // namespace bk::store
