// How often each object is named below the snapshots of one client: once for each place that names it in a
// snapshot's root, or in a node or list whose own count is not 0.  What has 0 no snapshot of the client
// needs.
//
// Made and brought up to date by cleans alone (counting.h); read by writers, to whom what has a count is the
// client's (possession.h).  Runs of differences that are added up, and a text that names those that count,
// written last: a crash leaves the older ones.  All of it can be made anew, and what is not what was written
// counts for nothing.
//
//   index/possession/<client>/counts/*.run     keys with a difference; or, of `unnamed` ones, without
//   index/possession/<client>/counts/header    text "bk-counts 1": store, line and hash (of the client's
//                                              journal: up to where it was counted), keys (that are counted),
//                                              swept, run and unnamed (file name and digest, several times)
#pragma once

#include "server/store/layout.h"
#include "server/store/run.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace bk::store {

class Counts {
 public:
  struct State {
    std::uint64_t line = 0;  // of the client's journal: the last one that is counted
    std::string hash;        // of that line
    std::uint64_t keys = 0;  // whose count is not 0
    // Whether a clean has compared all that the index knows with these counts since they were made.
    bool swept = false;
    std::vector<std::string> runs;  // file names
    std::vector<std::string>
        unnamed;  // runs of keys whose count became 0, and that no clean has dealt with yet
  };

  // The counts of a client: nothing when there are none, or when they cannot be used, and `problem` says why.
  // `held_bytes`: how much of the runs may be held in memory.
  [[nodiscard]] static std::optional<Counts> load(const Layout& layout, const StoreId& store,
                                                  const std::string& client, std::uint64_t held_bytes = 0,
                                                  std::string* problem = nullptr);
  // Puts this in the place of what was, durably, and removes runs that it does not name.  The clean's alone.
  static void publish(const Layout& layout, const StoreId& store, const std::string& client,
                      const State& state);
  // They count no longer.  Durable on return.
  static void discard(const Layout& layout, const std::string& client);
  [[nodiscard]] static std::string folder(const Layout& layout, const std::string& client) {
    return layout.possession(client) + "/counts";
  }

  [[nodiscard]] const State& state() const { return state_; }
  // One count for each key, in order.
  [[nodiscard]] std::vector<std::int64_t> of(std::span<const Key> keys) const;
  [[nodiscard]] bool names(const Key& key) const { return of({&key, 1}).front() > 0; }
  // Whether every byte is what was written: reads all of it.
  [[nodiscard]] bool intact() const;
  // Every key whose count is not 0, in order.
  using Sink = std::function<void(const Key&, std::int64_t)>;
  void for_each(const Sink& sink) const;
  [[nodiscard]] std::uint64_t unnamed_keys() const;  // how many keys stand in `unnamed`
  // Each of them, run by run.
  void for_each_unnamed(const std::function<void(const Key&)>& sink) const;
  [[nodiscard]] const std::vector<std::unique_ptr<Run>>& runs() const { return runs_; }

 private:
  Counts() = default;
  State state_;
  std::vector<std::string> digests_;  // of runs_, then of unnamed_
  std::vector<std::unique_ptr<Run>> runs_, unnamed_;
};

// Adds up the differences of sorted runs: each key once, without those that come to 0.
void for_each_sum(std::span<const Run* const> runs, const Counts::Sink& sink);

// Writes sorted differences, none of them 0, as a run, or several when they are very many; their file names.
// `records` calls its argument for each, and is called twice.
[[nodiscard]] std::vector<std::string> write_differences(
    const std::string& folder, const StoreId& store, const std::function<void(const Counts::Sink&)>& records);

}  // namespace bk::store
