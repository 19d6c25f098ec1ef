// What was replaced between two kept chunks of a changed file (feature "windows"): reads the old bytes, sends
// their signature, and makes new chunks of them and the agent's delta.
//
// Memory: kMaxBasisBytes of old bytes for each batch that waits for its answer.
#pragma once

#include "server/pull/tree/agent_line.h"
#include "server/pull/tree/old_lists.h"
#include "server/store/store.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace bk::pull {

// Old bytes that some needed chunks of a batch are compared with.
struct Window {
  std::size_t first = 0, count = 0;  // of the batch's needed chunks
  std::string basis;
};

class Windows {
 public:
  Windows(AgentLine& line, store::Store& store, OldLists& old) : line_(line), store_(store), old_(old) {}

  // Follows the items of a recipe, each before OldLists hears of it.
  void begin_recipe();
  void begin_file();
  void chunk(std::uint32_t bytes);
  void kept(const KeptItem& item);
  void end_file();
  void end_recipe();

  // The windows of the recipe that ended, as far as they hold needed chunks; their signatures are sent.
  // `need` has a bit for each of its chunks.
  [[nodiscard]] std::vector<Window> sign(std::uint64_t batch, const Bitmap& need);
  // The content of the needed chunks of a batch, in order.  Throws Protocol for what is no answer to it.
  [[nodiscard]] std::vector<std::string> apply(const Delta& message,
                                               const std::vector<store::ChunkRef>& needed,
                                               const std::vector<Window>& windows);
  // The batch was answered by a Group although it had windows.
  void declined() { back_off(); }

 private:
  struct Gap {
    std::size_t first = 0, count = 0;  // chunks of the recipe
    std::uint64_t bytes = 0;           // of these
    std::vector<OldChunk> old;
  };
  void close(std::uint64_t to);
  void close_open_end();
  [[nodiscard]] bool read_old(std::vector<Gap*>& gaps, std::vector<std::string>& bases);
  void back_off();

  AgentLine& line_;
  store::Store& store_;
  OldLists& old_;
  GroupDecoder decoder_;
  std::size_t chunks_ = 0;  // of the recipe so far
  std::vector<Gap> gaps_;
  std::optional<Gap> open_;
  std::uint64_t from_ = 0;         // the old chunks before this one are behind us
  unsigned pause_ = 0, skip_ = 0;  // batches without signatures: in a row, and still to come
};

}  // namespace bk::pull
