// Commits the same small tree again and again and prints what a commit and a look at the newest snapshot cost
// as the history grows: history_bench STORE-HOME SNAPSHOTS
//
// Figures, not a test.  Use a folder in memory: what is measured is our own work and not the disk's.
#include "server/store/tree.h"

#include <sys/resource.h>

#include <cstdio>
#include <cstdlib>

namespace {

using namespace bk;         // NOLINT
using namespace bk::store;  // NOLINT

double cpu_ms() {
  rusage usage{};
  (void)::getrusage(RUSAGE_SELF, &usage);
  const auto ms = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) * 1e3 + static_cast<double>(t.tv_usec) / 1e3;
  };
  return ms(usage.ru_utime) + ms(usage.ru_stime);
}

void commit(Store& store, std::int64_t number) {
  const auto writer = store.writer("web1", "wiki", "rsync", "/srv");
  DirectoryWriter directory(*writer);
  SnapshotRecord record;
  record.client = "web1";
  record.module = "wiki";
  record.method = "rsync";
  record.name = "/srv";
  record.began = record.ended = {1783000000 + number * 300, 0};
  record.root.type = EntryType::Directory;
  record.root.node = directory.finish().node;
  (void)writer->commit(std::move(record));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 64;
  const std::string home = argv[1];
  const int all = std::atoi(argv[2]);
  const int part = all / 10;
  for (int done = 0; done < all; done += part) {
    // A pull is a process of its own and opens the store anew: every tenth does so here.
    double opening = 0, committing = 0, looking = 0;
    for (int i = 0; i < part; i += 10) {
      const double began = cpu_ms();
      const auto store = Store::open(home + "/store", true);
      const double opened = cpu_ms();
      for (int k = 0; k < 10; ++k) commit(*store, done + i + k);
      const double committed = cpu_ms();
      for (int k = 0; k < 10; ++k) (void)store->newest("web1", "wiki", "rsync", "/srv");
      opening += opened - began;
      committing += committed - opened;
      looking += cpu_ms() - committed;
    }
    std::printf("%6d snapshots: open %.3f ms, commit %.3f ms, newest %.3f ms of CPU\n", done + part,
                opening / part * 10, committing / part, looking / part);
    std::fflush(stdout);
  }
  return 0;
}
