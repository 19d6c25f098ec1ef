// The names in one directory, sorted by bytes: in memory, or when there are very many in a temporary file.
#pragma once

#include "common/spill/sorter.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace bk::agent {

// Of one list, before it is sorted in a file (some 50,000 names); of all levels of a walk twice as much.
inline constexpr std::size_t kNameMemory = 2U << 20U;

// Where long lists of names go, and what sorts them.  One thread.
class NameSpace {
 public:
  // `directory` for the temporary file.  When none can be made there, names stay in memory.
  explicit NameSpace(std::string directory, std::size_t memory_bytes = kNameMemory);
  [[nodiscard]] std::size_t memory_bytes() const { return memory_bytes_; }
  [[nodiscard]] const std::shared_ptr<SpillFile>& file() const { return file_; }
  [[nodiscard]] Sorter& sorter() { return sorter_; }
  // Why names had to stay in memory beyond the budget; 0 when they had not.
  [[nodiscard]] int error() const { return error_ != 0 ? error_ : sorter_.spill_error(); }
  void note(int error) { error_ = error; }

 private:
  std::shared_ptr<SpillFile> file_;
  std::size_t memory_bytes_;
  Sorter sorter_;
  int error_ = 0;
};

class NameList {
 public:
  struct Name {
    const char* text = nullptr;  // NUL-terminated; valid until the next call
    std::uint16_t length = 0;
    unsigned char type = 0;  // DT_*, never DT_UNKNOWN
    [[nodiscard]] std::string_view view() const { return {text, length}; }
  };
  using Keep = std::function<bool(const Name&)>;

  // Reads the names of an open directory for which `keep(name)`, from its beginning, without "." and "..",
  // and sorts them.  Returns 0 or errno.  An empty `keep` keeps all.
  [[nodiscard]] int read(int directory, NameSpace& space, const Keep& keep = {});
  [[nodiscard]] std::uint64_t size() const { return records_.size(); }
  [[nodiscard]] std::optional<Name> next();
  void rewind() { records_.rewind(); }
  [[nodiscard]] std::size_t memory_bytes() const { return records_.memory_bytes(); }
  // Moves the names to the temporary file, if there can be one.
  void spill(NameSpace& space);
  // Until the next call of next().
  void drop_buffer() { records_.drop_buffer(); }

 private:
  SortedRecords records_;  // the name, a NUL, the type
};

}  // namespace bk::agent
