// An unnamed temporary file that several owners put sorted runs into.
//
// The file is made with O_TMPFILE (where the file system has no such thing: made and removed at once), so
// nothing of it is left by whatever kill, and no walk ever meets it.  Room is given back as soon as its
// region is released.  One thread.
#pragma once

#include "common/io/fd.h"

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>

namespace bk {

class SpillFile {
 public:
  // Nothing is made before the first write, unless open() is called.
  explicit SpillFile(std::string directory) : directory_(std::move(directory)) {}
  // Makes the file now.  0 or errno.
  int open() noexcept;

  // A stretch of the file; its room is free again when the region goes.
  class Region {
   public:
    Region() = default;
    Region(Region&& other) noexcept { *this = std::move(other); }
    Region& operator=(Region&& other) noexcept;
    ~Region() { reset(); }
    void reset() noexcept;
    [[nodiscard]] std::uint64_t bytes() const { return bytes_; }
    // Reads up to `size` bytes at `offset` within the region; throws Io.
    [[nodiscard]] std::size_t read(std::uint64_t offset, char* buffer, std::size_t size) const;

   private:
    friend class SpillFile;
    Region(std::shared_ptr<SpillFile> file, std::uint64_t begin) : file_(std::move(file)), begin_(begin) {}
    std::shared_ptr<SpillFile> file_;
    std::uint64_t begin_ = 0, bytes_ = 0;
  };
  // An empty region behind all others.  It grows by append() until the next one begins.
  [[nodiscard]] static Region begin(const std::shared_ptr<SpillFile>& file);
  // Throws Io (disk full, no such directory).
  static void append(Region& region, std::string_view bytes);

 private:
  void release(std::uint64_t begin) noexcept;

  std::string directory_;
  Fd fd_;
  std::uint64_t end_ = 0;
  std::map<std::uint64_t, std::uint64_t> live_;  // begin to end of the regions
};

}  // namespace bk
