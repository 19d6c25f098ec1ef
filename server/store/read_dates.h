// When each pack was last read whole and found good: what `verify --older` goes by.
//
// `index/verified`: one line per pack.  Lost with the index: then nothing was ever read.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <set>
#include <string>

namespace bk::store {

class ReadDates {
 public:
  explicit ReadDates(std::string path);  // reads it; a damaged one counts as empty
  // Never, or longer ago than this; a date in the future counts as never.
  [[nodiscard]] bool older(std::uint64_t pack, std::chrono::seconds than) const;
  // Now.  Saved now and then, and by save().
  void note(std::uint64_t pack);
  // Packs that are no longer there are forgotten.
  void save(const std::set<std::uint64_t>& existing);

 private:
  void write() const;
  std::string path_;
  std::map<std::uint64_t, std::int64_t> dates_;  // seconds since 1970
  std::int64_t now_ = 0;
  std::chrono::steady_clock::time_point saved_;
};

}  // namespace bk::store
