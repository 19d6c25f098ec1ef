// How far a pull of this client's data is, for people on the client: <home>/log/pulls/<server>/<sha256 of the
// place>.
//
// The agent that serves the pull writes one line there, in place, once a second at most, and locks the file
// for as long as it lives; so a reader knows a running pull from one that was killed.  After a whole pull the
// line tells the next one how much there is to do.  Worth nothing after a power cut: nothing is synced.
#pragma once

#include "common/io/fd.h"

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>

namespace bk::agent {

struct PullStatus {
  std::uint64_t directories = 0, files = 0;      // walked so far
  std::uint64_t read_files = 0, read_bytes = 0;  // what was new and was read
  std::uint64_t seconds = 0;                     // since the pull began
  std::uint64_t rate = 0;                        // bytes read a second, over the last ten seconds or so
  std::uint64_t all_directories = 0;             // of the last whole pull; 0: there was none
  bool operator==(const PullStatus&) const = default;
};

// One line of always the same length, with its end and a digest: a reader that meets a half written one
// knows.
[[nodiscard]] std::string write_pull_status(const PullStatus& status);
[[nodiscard]] std::optional<PullStatus> parse_pull_status(std::string_view line);
// "1,234 directories, 56 files read, 7.8 MB, 4.5 MB/s, about 2 min left"
[[nodiscard]] std::string show_pull_status(const PullStatus& status);
[[nodiscard]] std::string pull_status_file(const std::string& home, const std::string& server,
                                           std::string_view place);
// Of a pull that is running now.  Nothing: none is, or nothing is known of it.
[[nodiscard]] std::optional<PullStatus> read_pull_status(const std::string& file);

// The agent's side.  Never throws: a status that cannot be written is no reason for a pull to fail.
class PullStatusWriter {
 public:
  // Opens and locks the file.  Another one at work on the same place keeps it: this one is silent then.
  explicit PullStatusWriter(const std::string& file);
  ~PullStatusWriter();
  PullStatusWriter(const PullStatusWriter&) = delete;
  PullStatusWriter& operator=(const PullStatusWriter&) = delete;
  // Cheap: a thread writes the newest counts once a second, also while the pull waits for its server.
  void tell(const PullStatus& so_far);
  // The pull was whole.
  void finish(const PullStatus& all);

 private:
  using Clock = std::chrono::steady_clock;
  struct Sample {
    Clock::time_point when;
    std::uint64_t bytes = 0;
  };
  void run();
  void sample();
  void write() const;
  Fd fd_;
  Clock::time_point began_ = Clock::now();
  std::deque<Sample> samples_;
  std::mutex mutex_;  // of what follows
  std::condition_variable changed_;
  bool ending_ = false;
  PullStatus now_;
  std::thread thread_;
};

}  // namespace bk::agent
