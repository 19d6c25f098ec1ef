// Packs and journals compared with their own digests; internal to server/store.
#pragma once

#include "server/store/chunk_mark.h"
#include "server/store/layout.h"
#include "server/store/read_dates.h"

#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace bk::store {

// What check_pack() finds: one line of text per problem, and where the bytes are not those that were written,
// or cannot be read.
struct PackFindings {
  std::function<void(const PackProblem&)> report;
  std::function<void(std::uint64_t from, std::uint64_t to)> place{};  // may be empty
  // Every chunk whose content is what its identity says; may be empty: then nothing is decoded.
  std::function<void(const StoredChunk&)> good{};
  std::uint64_t* chunks = nullptr;  // gets how many there are in records whose heads are whole
};
// `path` is what the texts call it; `finished`: a pack, which ends in a seal.  Payloads are hashed; without
// `payloads` only heads are read.  Goes on behind bad sectors.  Throws Io.
void check_pack(ObjectReader& file, const std::string& path, const PackRef& pack, bool finished,
                bool payloads, const PackFindings& findings);

// All packs that a plan chooses, with their parity, and the journals; several at a time.
class PackAudit {
 public:
  using Report = std::function<void(const PackProblem&)>;
  using Progress = std::function<void(std::uint64_t done_bytes, std::uint64_t all_bytes)>;
  PackAudit(const Layout& layout, const StoreId& store, PackPlan plan, Report report, Progress progress,
            const ChunkMarker& marker);
  [[nodiscard]] PackTotals run();
  // Of what was read: where it is damaged.
  [[nodiscard]] const std::set<std::uint64_t>& read() const { return read_; }
  [[nodiscard]] const std::vector<DamagedPlace>& places() const { return places_; }
  // How many chunks stand in each finished pack that was found whole.
  [[nodiscard]] const std::map<std::uint64_t, std::uint64_t>& chunks() const { return chunks_; }

 private:
  // What one file gave.
  struct Outcome {
    std::vector<PackProblem> problems;
    std::vector<DamagedPlace> places;
    std::vector<ChunkMark> marks;
    PackTotals totals;
    std::uint64_t chunks = 0;
    bool read = false, good = false;
  };
  static void judge(Outcome& out);
  [[nodiscard]] static Outcome unreadable(const std::string& path, const Error& error, Outcome& so_far);
  void check_all(const std::vector<std::uint64_t>& packs);
  [[nodiscard]] Outcome check(std::uint64_t number) const;
  void check_parity(const PackRef& pack, Outcome& out) const;
  void check_journals();
  [[nodiscard]] PackFindings findings(std::uint64_t number, Outcome& out) const;
  void take(std::uint64_t number, const Outcome& outcome);
  [[nodiscard]] bool chosen(std::uint64_t number) const;

  Layout layout_;
  StoreId store_;
  PackPlan plan_;
  Report report_;
  Progress progress_;
  const ChunkMarker& marker_;
  ReadDates dates_;
  std::uint64_t all_bytes_ = 0;
  PackTotals totals_;
  std::set<std::uint64_t> read_;
  std::map<std::uint64_t, std::uint64_t> chunks_;
  std::vector<DamagedPlace> places_;
};

}  // namespace bk::store
