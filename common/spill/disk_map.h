// A map from byte strings to byte strings in bounded memory, for tables that grow with a tree.
//
// A small one lives in memory.  One that outgrows its budget moves into two unnamed temporary files and stays
// there: pages of an extendible hash table (Fagin, Nievergelt, Pippenger, Strong 1979), and a log of keys and
// values.  A look-up then costs two reads of the page cache (about 1.5 us), memory is 4 bytes for some 180
// keys.  Hashes are seeded at random, so that a peer who chooses keys cannot fill one page.
//
// One thread.  Nothing survives the process.  Errors: Io (no room, no such folder).
#pragma once

#include "common/io/fd.h"

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace bk {

class DiskMap {
 public:
  // `directory` holds the files, once they are needed; `memory_bytes` is what the entries may take before.
  explicit DiskMap(std::string directory, std::size_t memory_bytes = 8U << 20U);

  [[nodiscard]] std::optional<std::string> get(std::string_view key);
  [[nodiscard]] bool contains(std::string_view key);
  // True when the key is new; an existing one keeps its value.  Keys have at most 65,535 bytes, values 2^31.
  bool insert(std::string_view key, std::string_view value = {});
  // Replaces what is there.  Of a value on the disk the old one is left in the log.
  void put(std::string_view key, std::string_view value);
  bool erase(std::string_view key);
  [[nodiscard]] std::uint64_t size() const { return size_; }
  [[nodiscard]] bool in_memory() const { return !pages_fd_; }

 private:
  static constexpr std::size_t kSlots = 255;
  struct Slot {
    std::uint64_t hash = 0, offset = 0;  // of the record in the log
  };
  struct Page {
    std::uint32_t count = 0, depth = 0;  // depth: how many bits of the hash its keys share
    std::uint64_t unused = 0;
    std::array<Slot, kSlots> slots{};
  };
  static_assert(sizeof(Page) == 4096);

  [[nodiscard]] std::uint64_t hash_of(std::string_view key) const;
  void move_to_disk();
  void load_page(std::uint32_t number);
  void store_page(std::uint32_t number, const Page& page);
  // Loads the key's page; the slot's index there, or kSlots.
  [[nodiscard]] std::size_t find_slot(std::string_view key, std::uint64_t hash, std::string* value);
  void add_slot(Slot slot);
  void split_page(std::uint64_t hash);
  [[nodiscard]] std::uint64_t append(std::string_view key, std::string_view value);
  [[nodiscard]] bool read_record(std::uint64_t offset, std::string_view key, std::string* value);
  [[nodiscard]] std::string_view read_log(std::uint64_t offset, std::size_t bytes);

  std::string directory_;
  std::size_t memory_bytes_, used_bytes_ = 0;
  std::uint64_t size_ = 0;
  std::unordered_map<std::string, std::string> small_;

  std::array<std::uint64_t, 2> seed_{};
  Fd pages_fd_, log_fd_;
  unsigned depth_ = 0;
  std::vector<std::uint32_t> table_;  // the page of each hash's lowest depth_ bits
  std::uint32_t pages_ = 0;
  std::optional<std::uint32_t> loaded_;  // number of page_
  Page page_;
  std::uint64_t log_bytes_ = 0;  // written; tail_ follows
  std::string tail_, read_;
};

}  // namespace bk
