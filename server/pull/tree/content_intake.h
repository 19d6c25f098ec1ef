// Recipe and Group: the content of wanted files, asked for as far as this client does not own it yet.
#pragma once

#include "server/pull/tree/agent_line.h"
#include "server/pull/tree/held.h"
#include "server/pull/tree/old_lists.h"
#include "server/pull/tree/windows.h"
#include "server/store/extents.h"
#include "server/store/store.h"

#include <cstdint>
#include <deque>
#include <memory>
#include <unordered_set>
#include <vector>

namespace bk::pull {

class ContentIntake {
 public:
  ContentIntake(AgentLine& line, store::Writer& writer, const ChunkerParams& params, Held& held,
                OldLists& old, Windows& windows, bool unasked)
      : line_(line),
        writer_(writer),
        params_(params),
        held_(held),
        old_(old),
        windows_(windows),
        unasked_(unasked) {}
  void recipe(Recipe message);
  void group(const Group& message);
  void delta(const Delta& message);
  // How many batches are stored, from the first on.
  [[nodiscard]] std::uint64_t complete_batches() const {
    return open_.empty() ? asked_ : open_.front().number;
  }
  // The stored beginning of a file that did not end, or whose last chunks are on their way; empty when there
  // is none worth keeping.
  [[nodiscard]] std::vector<Extent> stored_beginning(const Entry& file) const;
  [[nodiscard]] bool idle() const { return open_.empty() && file_ == nullptr; }
  [[nodiscard]] std::uint64_t flagged() const { return flagged_; }
  // Ended so far, and the bytes that came for files, also for those that were read again.
  [[nodiscard]] std::uint64_t files() const { return files_; }
  [[nodiscard]] std::uint64_t bytes() const { return bytes_; }
  // Paths of files whose kept chunks were other ones than the agent took them for: stored as flagged.
  [[nodiscard]] const std::vector<std::string>& mistaken() const { return mistaken_; }

 private:
  struct Batch {
    std::uint64_t number = 0;
    std::vector<store::ChunkRef> needed;
    std::vector<Window> windows;
  };
  void apply(BeginFile& item);
  void apply(const ChunkItem& item);
  void apply(const HoleItem& item);
  void apply(InlineItem& item);
  void apply(const EndFile& item);
  void apply(const KeptItem& item);
  void apply(const SumItem& item);
  void apply(const ContinuedItem& item);
  void apply(const UnaskedItem& item);
  void check_length(const EndFile& item);
  void add_extent(Extent extent);
  void fold_stored();
  void keep_tail();
  void finish_tails();
  void ask_for(const std::vector<store::ChunkRef>& chunks);
  [[nodiscard]] Need needs(const std::vector<store::ChunkRef>& chunks, Batch& batch);
  [[nodiscard]] bool may_leave_one_more() const;
  void drop_complete();
  [[nodiscard]] Batch& due(std::uint64_t number);
  void stored(Batch& batch);
  void find_next_file();

  AgentLine& line_;
  store::Writer& writer_;
  ChunkerParams params_;
  Held& held_;
  OldLists& old_;
  Windows& windows_;
  bool unasked_;  // is in use
  std::deque<Batch> open_;
  std::unordered_set<ChunkId> coming_;  // asked for, and not here yet
  std::uint64_t files_ = 0, bytes_ = 0;
  std::uint64_t next_batch_ = 0, asked_ = 0, flagged_ = 0;  // asked_: recipes read to their end
  std::vector<store::ChunkRef> chunks_;                     // of the recipe being read
  std::optional<Bitmap> coming_unasked_;                    // of these
  // The next wanted file in order, and, while its content comes in, its entry.
  std::uint64_t page_ = 0, index_ = 0;
  HeldPage* file_page_ = nullptr;
  Entry* file_ = nullptr;
  std::uint64_t file_bytes_ = 0, file_batches_ = 0;
  bool continued_ = false;  // behind what an earlier pull stored of it
  ChunkSum sum_;            // over its chunk ids, while it has an old version
  enum class Sum { None, Due, Right, Wrong };
  Sum sum_state_ = Sum::None;  // kept chunks make a sum due
  std::vector<std::string> mistaken_;
  // A long file's extents are folded into lists as soon as their chunks are stored, so that no file is too
  // long.
  std::unique_ptr<store::ExtentFolder> folder_;
  struct Mark {
    std::uint64_t batch = 0;
    std::size_t first = 0;  // index of its first extent in the file's content
  };
  std::deque<Mark> marks_;
  struct Tail {  // a long file that ended, with chunks on their way
    Entry* file = nullptr;
    std::uint64_t batches = 0;
    std::unique_ptr<store::ExtentFolder> folder;
    std::deque<Mark> marks;
  };
  [[nodiscard]] std::vector<Extent> beginning(const Entry& file, const store::ExtentFolder* folder,
                                              const std::deque<Mark>& marks) const;
  std::deque<Tail> tails_;
};

}  // namespace bk::pull
