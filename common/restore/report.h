// What a restore could not keep: entries that are missing each by name, lost attributes by sort, since 20,000
// owners that a plain user may not set are one line.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace bk {

// False for what would meet every entry (a full or failing disk, no memory, no descriptors): then a restore
// ends.  True for what the system refuses of this one: its name, its length, its sort.
[[nodiscard]] bool ends_only_its_entry(int code);

// Any number of threads may add.
class RestoreReport {
 public:
  // Of an entry that is there, but not exactly.  `what` and `reason` are short and few ("owner not set",
  // "Operation not permitted"); `path` is bytes.
  void add(std::string_view what, std::string_view reason, std::string_view path);
  // The entry is not there: named by itself, the first hundred of a sort.
  void leave_out(std::string_view what, std::string_view reason, std::string_view path);
  // What lay in a folder that is not there.
  void leave_out_below(std::string_view path);
  [[nodiscard]] bool empty() const;
  [[nodiscard]] bool has_missing() const;
  // One line for each named entry and for each sort (count, what, reason, and the first path), then the sum.
  [[nodiscard]] std::vector<std::string> lines() const;

 private:
  using Sort = std::pair<std::string, std::string>;  // what, reason
  struct Item {
    std::uint64_t count = 0;
    std::vector<std::string> named;
  };
  static void count(Item& item, std::string_view path, std::size_t most_named);
  mutable std::mutex mutex_;
  std::map<Sort, Item> inexact_, missing_;
  Item below_;
};

}  // namespace bk
