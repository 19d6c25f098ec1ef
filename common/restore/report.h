// What a restore could not keep, gathered by sort: 20,000 owners that a plain user may not set are one line.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace bk {

// Any number of threads may add.
class RestoreReport {
 public:
  // `what` and `reason` are short and few ("owner not set", "Operation not permitted"); `path` is bytes.
  void add(std::string_view what, std::string_view reason, std::string_view path);
  [[nodiscard]] bool empty() const;
  // One line for each sort: count, what, reason, and the first path.
  [[nodiscard]] std::vector<std::string> lines() const;

 private:
  struct Item {
    std::uint64_t count = 0;
    std::string first;
  };
  mutable std::mutex mutex_;
  std::map<std::pair<std::string, std::string>, Item> items_;
};

}  // namespace bk
