// The old versions of wanted files (feature "windows"): tells the agent which chunks they had, a window at a
// time, and resolves what the agent says of them.
//
// Only the window of the file that is coming in is held: at most kOldWindow chunks, however long the file is.
#pragma once

#include "proto/pull/old_position.h"
#include "server/pull/tree/agent_line.h"
#include "server/pull/tree/held.h"
#include "server/store/store.h"
#include "server/store/tree.h"

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace bk::pull {

struct OldChunk {
  ChunkId id;
  std::uint32_t bytes = 0;
};

class OldLists {
 public:
  // `on`: the agent understands it.
  OldLists(AgentLine& line, store::Store& store, store::Possession& possession, bool on);
  // An old version of entry `index` of the page that comes next: add_page() sends what was added.  Returns
  // what it holds until the file ends, in bytes.
  std::size_t add_file(std::size_t index, std::vector<Extent> content);
  void add_page(std::uint64_t page, std::size_t entries);
  // Sends as much as the agent may have.
  void pump();

  // The content of this file begins; begun again, its old version counts no more.
  void begin(std::uint64_t page, std::uint64_t index);
  [[nodiscard]] bool active() const { return active_; }
  // The next chunks of the file; throws Protocol for what the agent cannot know.
  [[nodiscard]] std::vector<OldChunk> kept(const KeptItem& item);
  void fresh();
  [[nodiscard]] const OldPosition& position() const { return position_; }
  // The old chunks from `from` up to `to`, as far as they are in the window.
  [[nodiscard]] std::vector<OldChunk> between(std::uint64_t from, std::uint64_t to) const;
  void end(std::uint64_t page, std::uint64_t index);

 private:
  using Name = std::pair<std::uint64_t, std::uint64_t>;  // page, index
  struct File {
    Name name;
    std::vector<Extent> content;                  // until it is sent
    std::unique_ptr<store::ExtentReader> reader;  // while it is sent
    std::deque<OldChunk> chunks;                  // sent, from `first` on
    std::uint64_t first = 0;
    bool complete = false;
  };
  void send_some(File& file);
  [[nodiscard]] static std::optional<Extent> next_extent(File& file);
  void forget_before(std::uint64_t at);

  AgentLine& line_;
  store::Store& store_;
  store::Possession& possession_;
  bool on_;
  std::string salt_;
  std::vector<std::pair<std::size_t, std::vector<Extent>>> added_;
  std::deque<File> files_;
  std::size_t sending_ = 0;      // in files_
  std::size_t outstanding_ = 0;  // chunks in all files
  bool active_ = false;          // files_.front() is coming in
  std::optional<Name> begun_;
  OldPosition position_;
};

}  // namespace bk::pull
