// Reading what can be read of a file on a failing disk; internal to server/store.
//
// A sector that cannot be read says nothing about its neighbours, and one file nothing about the others.  So
// who walks a pack or a journal reads it through a PatientReader: where the disk has nothing stand zeros,
// which fit no digest, and the walk goes on behind them as behind any damage.  What could not be read is
// remembered, so that a damaged stretch can be told from one of which nothing is known, and is not tried
// again: a failing read may take a disk seconds.
#pragma once

#include "common/io/media.h"
#include "common/storage/storage.h"

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>

namespace bk::store {

// What could not be read of one file.
class BadSectors {
 public:
  [[nodiscard]] bool empty() const { return ranges_.empty(); }
  [[nodiscard]] bool overlaps(std::uint64_t from, std::uint64_t to) const;
  [[nodiscard]] std::uint64_t first() const { return ranges_.begin()->first; }  // not of empty ones
  // "at offset 4096: Input/output error"
  [[nodiscard]] std::string text(std::uint64_t from = 0) const;

 private:
  friend class PatientReader;
  void add(std::uint64_t from, std::uint64_t to);
  // The end of the bad range at this place, or the place itself; and where the next one begins.
  [[nodiscard]] std::uint64_t end_of(std::uint64_t at) const;
  [[nodiscard]] std::uint64_t next(std::uint64_t at) const;
  std::map<std::uint64_t, std::uint64_t> ranges_;  // begin to end; neighbours are joined
  std::string reason_;
  unsigned failures_ = 0;
};

class PatientReader final : public ObjectReader {
 public:
  // Both stay the caller's; `bad` may know something from earlier readers of the same file.
  PatientReader(ObjectReader& below, BadSectors& bad) : below_(below), bad_(bad) {}
  [[nodiscard]] std::uint64_t size() override { return below_.size(); }
  [[nodiscard]] std::size_t read(std::uint64_t offset, char* into, std::size_t bytes) override;
  void prefetch(std::uint64_t offset, std::uint64_t bytes) override { below_.prefetch(offset, bytes); }

 private:
  // Nothing when the disk refuses.
  [[nodiscard]] std::optional<std::size_t> try_read(std::uint64_t from, std::uint64_t to, char* into);
  void read_blocks(std::uint64_t from, std::uint64_t to, char* into);
  [[nodiscard]] std::uint64_t behind_bad(std::uint64_t at, std::uint64_t to);
  ObjectReader& below_;
  BadSectors& bad_;
};

// As Storage::open(), but an object that the disk does not let be opened counts as missing: `problem` says
// why then.
[[nodiscard]] std::unique_ptr<ObjectReader> open_if_readable(Storage& storage, const std::string& name,
                                                             std::string* problem = nullptr);

// As try_read_file(), but nothing also when the disk does not give it back: for what can be made anew.
[[nodiscard]] std::optional<std::string> read_if_readable(const std::string& path, std::uint64_t limit_bytes);

}  // namespace bk::store
