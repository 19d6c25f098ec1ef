// A whole file mapped read-only.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

namespace bk {

// Stays readable after the file was unlinked; must not be used for files that others shorten.
class MappedFile {
 public:
  MappedFile() = default;
  explicit MappedFile(const std::string& path);  // throws Io; an empty file maps to no bytes
  MappedFile(int fd, const std::string& path);   // a descriptor that stays the caller's; the path for errors
  MappedFile(MappedFile&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  MappedFile& operator=(MappedFile&& other) noexcept;
  ~MappedFile();
  [[nodiscard]] std::string_view bytes() const { return {static_cast<const char*>(data_), size_}; }

 private:
  void* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace bk
