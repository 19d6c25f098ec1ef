// How far a running pull is: what bk_pull says to do_backup on its standard output, what `--status` reads,
// what a terminal shows.  Everything but ProgressTeller and show_on is pure.
#pragma once

#include "common/log/log.h"
#include "server/pull/progress.h"
#include "server/store/snapshot.h"

#include <chrono>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>

namespace bk::server {

struct Progress {
  pull::PullProgress done;
  std::uint64_t all_directories = 0, all_bytes = 0;  // of the previous snapshot; 0: none to compare with
  std::uint64_t seconds = 0;                         // since the pull began
  std::uint64_t rate = 0;                            // bytes a second, over the last ten seconds or so
  bool operator==(const Progress&) const = default;
};

// One line without its end; anything else than such a line is nothing.
[[nodiscard]] std::string write_progress(const Progress& progress);
[[nodiscard]] std::optional<Progress> parse_progress(std::string_view line);

// Seconds that are left, as far as the previous snapshot tells: by directories or by bytes, whichever is
// further.
[[nodiscard]] std::optional<std::uint64_t> estimate(const Progress& progress);
// "1,234 files, 56 directories, 7.8 GB of 9.0 GB read, 45.6 MB/s, about 2 min left"
[[nodiscard]] std::string show_progress(const Progress& progress);

// The closing line: what is in the snapshot, what was read, sent and stored for it, how long that took.
[[nodiscard]] std::string show_cost(std::uint64_t files, std::uint64_t directories,
                                    const pull::PullProgress& done, std::uint64_t stored_bytes,
                                    std::chrono::milliseconds took);

// The worker's side: passes on what a pull says, once a second at most; into the log once a minute.
class ProgressTeller {
 public:
  // `line_fd` gets lines as long as it takes them, `file` holds the newest one; it goes with the object.
  ProgressTeller(int line_fd, std::string file, const std::optional<store::SnapshotRecord>& previous);
  ~ProgressTeller();
  ProgressTeller(const ProgressTeller&) = delete;
  ProgressTeller& operator=(const ProgressTeller&) = delete;
  // True when a minute has passed since it last was.
  bool tell(const pull::PullProgress& done);
  [[nodiscard]] const Progress& now() const { return progress_; }
  [[nodiscard]] std::chrono::milliseconds elapsed() const {
    return std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - began_);
  }

 private:
  using Clock = std::chrono::steady_clock;
  struct Sample {
    Clock::time_point when;
    std::uint64_t bytes = 0;
  };
  int line_fd_;
  std::string file_;
  Progress progress_;
  Clock::time_point began_ = Clock::now(), told_{}, logged_ = began_;
  std::deque<Sample> samples_;
};

// The newest line of a running pull.
[[nodiscard]] std::optional<Progress> read_progress(const std::string& file);
[[nodiscard]] std::string progress_file(const std::string& home, const std::string& client,
                                        const std::string& stem);

}  // namespace bk::server
