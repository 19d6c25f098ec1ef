// A regular file that an earlier, cut restore of the same tree left: which of its bytes may be kept.
//
// Nothing is believed: what is kept was read and hashed.  A file with several names is kept only as it is,
// since it may be somebody else's that was linked there: it is never written to, nor given to another owner.
#pragma once

#include "common/io/fd.h"
#include "common/restore/sink.h"

#include <sys/stat.h>

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace bk {

struct EarlierFile {
  Fd fd;  // to be read
  struct stat st {};
  [[nodiscard]] bool is_shared() const { return st.st_nlink > 1; }
};

// The file of that name when it looks finished (size, time; as root owner and mode, and when it is shared all
// attributes) or is this user's unfinished one.  Nothing when it is to be made anew.
[[nodiscard]] std::optional<EarlierFile> find_earlier(int directory, const Entry& entry);

// For each place whether its bytes are there.  Throws Protocol for one outside of a file of `size`.
[[nodiscard]] std::vector<bool> compare(int fd, std::uint64_t size, std::span<const RestorePlace> places,
                                        std::size_t id_bytes, std::string& buffer);

// Which stretches of a file are known; neighbours are joined.
class ByteRanges {
 public:
  void add(std::uint64_t begin, std::uint64_t bytes);
  [[nodiscard]] bool covers(std::uint64_t size) const;
  void for_each_gap(std::uint64_t size,
                    const std::function<void(std::uint64_t begin, std::uint64_t end)>& body) const;

 private:
  std::map<std::uint64_t, std::uint64_t> ranges_;  // begin, end
};

// Whether data lies there.
[[nodiscard]] bool has_data(int fd, std::uint64_t begin, std::uint64_t end);
// Makes it a hole, or zeros where the file system has none.  0, or errno.
[[nodiscard]] int clear_range(int fd, std::uint64_t begin, std::uint64_t end);

}  // namespace bk
