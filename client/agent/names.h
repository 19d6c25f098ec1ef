// The names in one directory, sorted by bytes, in one block of memory.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace bk::agent {

class NameList {
 public:
  struct Name {
    const char* text = nullptr;  // NUL-terminated; lives as long as the list
    std::uint16_t length = 0;
    unsigned char type = 0;  // DT_*; DT_UNKNOWN when the file system does not say
    [[nodiscard]] std::string_view view() const { return {text, length}; }
  };
  // Reads all names but "." and ".." of an open directory, from its beginning, and sorts them.  Returns 0 or
  // errno.
  [[nodiscard]] int read(int directory);
  [[nodiscard]] std::size_t size() const { return items_.size(); }
  [[nodiscard]] Name operator[](std::size_t i) const;
  [[nodiscard]] std::size_t memory_bytes() const {
    return arena_.capacity() + items_.capacity() * sizeof(Item);
  }
  // Keeps only the names for which `keep(name)`; their order stays.
  template <class Keep>
  void filter(Keep&& keep) {
    std::size_t kept = 0;
    for (std::size_t i = 0; i < items_.size(); ++i) {
      if (keep((*this)[i])) items_[kept++] = items_[i];
    }
    items_.resize(kept);
  }
  // Gives back what filter() made superfluous.
  void shrink();

 private:
  struct Item {
    std::uint64_t offset : 40, length : 16, type : 8;
  };
  void append(std::string_view name, unsigned char type);
  std::string arena_;
  std::vector<Item> items_;
};

}  // namespace bk::agent
