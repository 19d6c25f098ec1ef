// What a clean has condemned: keys of chunks that nothing led to, and the packs that hold them.
//
// Until they are deleted, whoever registered as a writer since treats these chunks in these packs as absent,
// and stores them again.  All of it lies in index/condemned/ and is a cache: when it is lost, nothing is
// deleted.
//
//   index/condemned/header   text "bk-condemned 1": store, run, waits: (writers at work then), removals:
//   (client
//                            and the last line of its journal then); written last
//   index/condemned/*.run    the keys, in the form of a run; its packs are those that hold them
#pragma once

#include "server/store/layout.h"
#include "server/store/run.h"

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace bk::store {

class Condemned {
 public:
  // What is condemned now; nothing when there is none, or what there is cannot be read: then `problem` says
  // of which file, and why.
  [[nodiscard]] static std::unique_ptr<Condemned> load(const Layout& layout, const StoreId& store,
                                                       std::string* problem = nullptr);

  struct Terms {
    std::string run;                                // file name of the keys
    std::vector<std::string> waits;                 // names of writers
    std::map<std::string, std::uint64_t> removals;  // of each client: lines of its journal that were seen
  };
  // Durable on return.  Whoever calls has closed the writers' roll.
  static void publish(const Layout& layout, const StoreId& store, const Terms& terms);
  // Ends it: what is still there counts as stored again.  Durable on return.
  static void clear(const Layout& layout);

  // Whether the chunk is absent for writers, as far as this place is concerned.
  [[nodiscard]] bool applies(const Key& key, std::uint64_t pack) const;
  [[nodiscard]] const Run& run() const { return *run_; }
  [[nodiscard]] const Terms& terms() const { return terms_; }

 private:
  Condemned() = default;
  Terms terms_;
  std::unique_ptr<Run> run_;
};

}  // namespace bk::store
