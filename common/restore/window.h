// One window of a restore at work; internal to common/restore.
#pragma once

#include "common/restore/pool.h"
#include "common/restore/restored_file.h"
#include "common/restore/sink.h"

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace bk {

// What is made when all regular files of the window are there.
struct PendingEntry {
  std::shared_ptr<const RestoredDirectory> directory;
  Entry entry;
  std::string existing;  // of a hard link
};

class RestoreWindow {
 public:
  std::uint64_t first_file = 0;
  std::shared_ptr<RestoredFile> carried;  // number first_file - 1, when it began in an earlier window
  std::vector<std::shared_ptr<RestoredFile>> files;
  std::shared_ptr<RestoredFile> continuing;  // goes on in the next window
  std::vector<PendingEntry> specials, links;
  std::vector<std::pair<std::shared_ptr<const RestoredDirectory>, Entry>> left;
  std::atomic<std::size_t> tasks{0};  // not ended yet

  struct Failure {
    RestorePlace place;
    std::string reason;
  };
  std::vector<Failure> failures;  // under the mutex, until all tasks ended
  void fail(const RestorePlace& place, const std::string& reason);

  // Throws Protocol for a number that this window does not hold.
  [[nodiscard]] RestoredFile& find(std::uint64_t number) const;

  // Throw Protocol beyond WindowLimits.
  void count_directory(const Entry& entry);
  void count_entry(const Entry& entry);
  void count_part(const FilePart& part);
  void count_places(const std::vector<RestorePlace>& places);

 private:
  void count_attributes(std::size_t bytes);
  std::mutex mutex_;
  std::size_t directories_ = 0, entries_ = 0, places_ = 0, attribute_bytes_ = 0;
};

// Decodes a group, hashes its chunks and writes them to where they belong.
class GroupTask final : public Task {
 public:
  GroupTask(RestoreWindow& window, EncodedGroup group, std::vector<RestorePlace> places,
            std::size_t id_bytes);
  void run(Scratch& scratch) override;

 private:
  [[nodiscard]] bool repeats(std::size_t i) const;
  [[nodiscard]] std::vector<bool> right_places(std::string_view content) const;
  void write(std::string_view content);
  RestoreWindow& window_;
  EncodedGroup group_;
  std::vector<RestorePlace> places_;
  std::size_t id_bytes_;
};

// Finds out what of a file an earlier restore left.
class KeepTask final : public Task {
 public:
  struct Offered {
    std::vector<RestorePlace> places;
    std::vector<char> kept;  // as many
  };
  // Those of one file.
  KeepTask(RestoreWindow& window, std::shared_ptr<Offered> offered, std::size_t begin, std::size_t end);
  void run(Scratch& scratch) override;

 private:
  RestoreWindow& window_;
  std::shared_ptr<Offered> offered_;
  std::size_t begin_, end_;
};

// Makes files that need no group.
class BareTask final : public Task {
 public:
  BareTask(RestoreWindow& window, std::vector<std::shared_ptr<RestoredFile>> files);
  void run(Scratch& scratch) override;

 private:
  RestoreWindow& window_;
  std::vector<std::shared_ptr<RestoredFile>> files_;
};

}  // namespace bk
