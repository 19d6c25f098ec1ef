// What the server says of the old versions of wanted files (feature "windows"): which chunks they had, so
// that a chunk that is still there costs next to nothing.
//
// Holds at most kOldWindow ids, of the file being read and of those that come next.
#pragma once

#include "proto/pull/messages.h"
#include "proto/pull/old_position.h"

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>

namespace bk::agent {

class OldContents {
 public:
  // Both throw Protocol for what is not due, or more than the window.
  void take(pull::OldFiles message);
  void take(const pull::OldContent& message);

  // The content of this file comes next; false when the server told nothing of it.  Files come in order.
  bool begin(std::uint64_t page, std::uint64_t index);
  // No more of the current file is looked up: it ended, or is read again.
  void end();
  [[nodiscard]] bool active() const { return active_; }
  // The server has something to say about this position, and it is not here yet.
  [[nodiscard]] bool must_wait() const;
  // The next chunk: how it is called in a recipe when the old version has it around here.
  struct Kept {
    std::int64_t skip = 0;
  };
  [[nodiscard]] std::optional<Kept> look_up(const ChunkId& id);
  // How far the window has moved in this file.
  [[nodiscard]] std::uint64_t base() const { return position_.base(); }

 private:
  using Name = std::pair<std::uint64_t, std::uint64_t>;  // page, index
  struct List {
    Name file;
    std::deque<std::uint64_t> ids;  // from `first` on
    std::uint64_t first = 0;
    bool complete = false;
  };
  struct Page {
    std::string salt;
    pull::Bitmap files;
  };
  [[nodiscard]] bool is(std::uint64_t at, std::uint64_t id) const;
  [[nodiscard]] std::optional<std::uint64_t> find(std::uint64_t id) const;
  void index_all();
  void drop_before(std::uint64_t at);
  [[nodiscard]] List& current() { return lists_.front(); }
  [[nodiscard]] const List& current() const { return lists_.front(); }

  std::map<std::uint64_t, Page> pages_;
  std::deque<List> lists_;    // in the order of their files; of the current file the first
  std::size_t held_ = 0;      // ids
  Name from_{};               // nothing of files before this one is kept
  std::optional<Name> last_;  // the file of the last OldContent
  bool last_complete_ = false;
  bool active_ = false;
  std::string salt_;
  pull::OldPosition position_;
  std::unordered_map<std::uint64_t, std::uint64_t> where_;  // of the current list: the first place of an id
  std::uint64_t indexed_ = 0;
};

}  // namespace bk::agent
