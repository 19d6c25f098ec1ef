// What every command of bkdb works on: the place, the store, the sources with their numbers, and the
// selection.
#pragma once

#include "common/options/options.h"
#include "server/bkdb/layout.h"
#include "server/bkdb/place.h"
#include "server/bkdb/time_range.h"
#include "server/store/store.h"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace bk::bkdb {

// The options that all programs' mains would declare; also read by the manual page check.
void declare_options(Options& options);

class Session {
 public:
  // Reads the place and the options; opens nothing.  `argv0` as find_home() wants it.  Throws Usage, Config.
  // `read_only`: the store is opened without repairs, as somebody who may not write must.
  Session(const Options& options, const char* argv0, bool read_only = false);

  [[nodiscard]] const Options& options() const { return options_; }
  [[nodiscard]] const Place& place() const { return place_; }
  [[nodiscard]] Zone zone() const { return zone_; }
  [[nodiscard]] bool json() const { return options_.has("json"); }
  [[nodiscard]] const std::string& store_directory() const { return store_directory_; }

  // Opened at the first call.  Throws NotFound when there is no store yet.
  [[nodiscard]] store::Store& store();
  // The same, made when there is none.
  [[nodiscard]] store::Store& store_to_fill();
  // The same, its index not made anew when that is missing or damaged.
  [[nodiscard]] store::Store& store_to_build();
  // The folder that the command is about, as the user spelled it.
  [[nodiscard]] const std::string& folder() const { return folder_; }
  // In place of the store's sources.
  void use(std::vector<Source> sources) { sources_ = std::move(sources); }
  // Of this place, numbered.  From the store's own records, the truth: they are complete also when the
  // catalog is missing, behind or damaged.
  [[nodiscard]] const std::vector<Source>& sources();

  // For commands that only show: snapshots whose record is damaged, or cannot be read, are told on standard
  // error and left out.
  void leave_out_damaged() { tolerant_ = true; }
  [[nodiscard]] std::uint64_t damaged_records() const { return damaged_records_; }
  [[nodiscard]] std::uint64_t unreadable_records() const { return unreadable_records_; }

  enum class Default { Newest, All };
  // `words` are data_idx and datetime_range in any order; of several of a kind the last counts.  Without a
  // range: the newest of each source, or all of them, newest first.
  [[nodiscard]] std::vector<Selected> select(const std::vector<std::string>& words, Default without_range);
  // As select(), but throws NotFound when nothing at all is selected.
  [[nodiscard]] std::vector<Selected> select_some(const std::vector<std::string>& words,
                                                  Default without_range);

 private:
  const Options& options_;
  std::string folder_;
  Place place_;
  bool read_only_;
  bool tolerant_ = false;
  std::uint64_t damaged_records_ = 0, unreadable_records_ = 0;
  Zone zone_ = Zone::Utc;
  std::string store_directory_;
  store::StoreSettings settings_;
  std::unique_ptr<store::Store> store_;
  std::optional<std::vector<Source>> sources_;
};

// Standard output, or where print_to() leads it; throws Io as soon as it is closed or full.
void print(std::string_view text);
void print_to(std::function<void(std::string_view)> sink);
// One line on standard error with the program's name.
void warn(std::string_view text);

}  // namespace bk::bkdb
