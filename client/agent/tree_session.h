// One pull on the agent's side, after the tree was opened: what to do next, and what the server has answered.
//
// Four queues, each bounded, in the order in which the server answers: directories left and undecided; pages
// of wanted directories; files to read of a page; batches of content.  The one nearest to its end is served
// first.
#pragma once

#include "client/agent/content.h"
#include "client/agent/line.h"
#include "client/agent/walker.h"
#include "common/chunk/chunker.h"
#include "common/digest/sha256.h"

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace bk::agent {

class TreeSession {
 public:
  TreeSession(Line& line, WalkContext& context, const ChunkerParams& params,
              const std::vector<std::string>& features, std::string server);
  // Until the whole tree was walked and everything wanted was sent; ends with Done.
  void run();
  [[nodiscard]] const FileReader& reader() const { return reader_; }
  [[nodiscard]] std::uint64_t skipped() const { return skipped_; }
  // Counts it, and names it to the server while there are not too many.
  void report(pull::SkipReason reason, int error, std::string_view path);

 private:
  struct Pending {  // a directory that was left
    std::uint64_t number = 0;
    std::string path, records;
    DirectoryId id;
    bool kept = true;
    std::optional<bool> want;
    [[nodiscard]] std::size_t weight() const { return path.size() + records.size() + sizeof(Pending); }
  };
  struct Page {  // sent; its files are read when the server says which
    std::uint64_t number = 0;
    std::string path;
    DirectoryId id;
    std::vector<Entry> entries;  // those that are not regular files are emptied
    std::optional<pull::Bitmap> wants;
    std::vector<pull::Continue::File> begun;  // the server has their beginnings
    // While it is read:
    Fd directory;
    int error = 0;            // why the directory could not be opened
    std::size_t started = 0;  // entries before this one were handed to the prefetcher, or are not wanted
  };
  struct Sending {  // the wanted directory whose entries are being sent
    Pending directory;
    Fd fd;
    std::unique_ptr<pull::ListingReader> kept;
    std::unique_ptr<DirectoryScan> again;
    std::optional<Entry> ahead;
    Sha256 digest;
  };

  [[nodiscard]] bool step();
  [[nodiscard]] bool walk_step();
  [[nodiscard]] bool page_step();
  [[nodiscard]] bool read_step();
  void begin_sending();
  [[nodiscard]] std::optional<Entry> next_entry();
  [[nodiscard]] bool complete_entry(Entry& entry);
  void send_page(std::vector<Entry> entries, bool last);
  void read_ahead();
  void begin_page(Page& page);
  void end_page();
  void receive_one();
  void dispatch(const pull::Frame& frame);
  void on_verdicts(const pull::Verdicts& message);
  void on_continue(const pull::Continue& message);
  void on_wants(const pull::Wants& message);
  void on_windows(const pull::Frame& frame);
  void on_stripes(const pull::Stripes& message);
  void send_done();

  Line& line_;
  WalkContext& context_;
  bool windows_, resume_, stripes_;  // features in use; stripes only until they were asked for
  std::string server_;
  Batcher batcher_;
  OldContents old_;
  FileReader reader_;
  std::uint64_t next_leave_ = 0, next_page_ = 0, skipped_ = 0;  // before the walker, which reports
  TreeWalker walker_;
  bool walking_ = true;
  std::deque<Pending> pending_;
  std::size_t pending_bytes_ = 0;
  std::size_t decided_ = 0;  // of pending_, from the front
  std::optional<Sending> sending_;
  std::deque<Page> pages_;
  std::size_t open_entries_ = 0;  // of pages_
  GroupEncoder page_encoder_{1};
  Prefetcher prefetcher_;
  struct Ahead {  // a file in the prefetcher
    Page* page;
    std::size_t index;
  };
  std::deque<Ahead> ahead_;
  std::size_t begun_pages_ = 0;  // of pages_, from the front
};

}  // namespace bk::agent
