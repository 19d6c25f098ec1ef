// Stores a folder in a fresh store and prints what it costs: store_bench FOLDER STORE-HOME
//
// Figures, not a test: sizes of packs, index and possession, time of a first and of an unchanged run, of
// reading everything back, of rebuilding the index and of what verify does with packs.
#include "common/io/file.h"
#include "server/store/reach.h"
#include "server/store/tree.h"

#include <sys/resource.h>
#include <sys/stat.h>

#include <chrono>
#include <cstdio>

namespace {

using namespace bk;         // NOLINT
using namespace bk::store;  // NOLINT

double cpu_seconds() {
  rusage usage{};
  (void)::getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

std::uint64_t bytes_in(const std::string& path) {
  if (!is_directory(path)) {
    struct stat info {};
    return ::stat(path.c_str(), &info) == 0 ? static_cast<std::uint64_t>(info.st_size) : 0;
  }
  std::uint64_t sum = 0;
  for (const std::string& name : list_directory(path)) sum += bytes_in(path + "/" + name);
  return sum;
}

struct Phase {
  explicit Phase(const char* what) : name(what) {}
  ~Phase() {
    const std::chrono::duration<double> wall = std::chrono::steady_clock::now() - began;
    rusage usage{};
    (void)::getrusage(RUSAGE_SELF, &usage);
    std::printf("%-10s wall %7.2f s  cpu %7.2f s  peak %4ld MiB\n", name, wall.count(), cpu_seconds() - cpu,
                usage.ru_maxrss / 1024);
  }
  const char* name;
  std::chrono::steady_clock::time_point began = std::chrono::steady_clock::now();
  double cpu = cpu_seconds();
};

SnapshotRecord run(Store& store, const std::string& folder) {
  auto writer = store.writer("web1", "directories", "rsync", folder);
  SnapshotRecord record;
  record.client = "web1";
  record.module = "directories";
  record.method = "rsync";
  record.name = folder;
  record.root = store_local_tree(*writer, store.chunker(), folder, {});
  record.root.name.clear();
  record = writer->commit(record);
  const Writer::Totals totals = writer->totals();
  std::printf("           new chunks %lu, content %.1f MB, stored %.2f MB\n", totals.new_chunks,
              static_cast<double>(totals.new_content_bytes) / 1e6,
              static_cast<double>(totals.stored_bytes) / 1e6);
  return record;
}

void report(const std::string& home) {
  const auto mb = [&](const char* part) { return static_cast<double>(bytes_in(home + part)) / 1e6; };
  std::printf("           packs %.2f MB, journal %.2f MB, index %.2f MB, possession %.2f MB\n",
              mb("/store/packs"), mb("/store/journal"), mb("/index/chunks"), mb("/index/possession"));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 64;
  const std::string home = argv[2];
  {
    const auto store = Store::open(home + "/store", true);
    {
      const Phase phase("first");
      (void)run(*store, argv[1]);
    }
    report(home);
    const Phase phase("unchanged");
    (void)run(*store, argv[1]);
  }
  report(home);
  {
    const Phase phase("open");
    (void)Store::open(home + "/store");
  }
  const auto store = Store::open(home + "/store");
  {
    const Phase phase("read all");
    const SnapshotRecord newest = store->snapshots().back();
    DiskMap visited(store->scratch());
    std::vector<ChunkId> data;
    for_each_reachable(*store, newest.root, visited, [&](ObjectKind kind, const ChunkId& id) {
      if (kind == ObjectKind::Data) data.push_back(id);
    });
    std::uint64_t bytes = 0;
    store->read_many(ObjectKind::Data, data,
                     [&](std::size_t, std::string_view content) { bytes += content.size(); });
    std::printf("           %zu chunks, %.1f MB\n", data.size(), static_cast<double>(bytes) / 1e6);
  }
  {
    const Phase phase("rebuild");
    store->rebuild_index({});
  }
  std::size_t problems = 0;
  {
    const Phase phase("structure");
    store->check_structure([&](const std::string& problem) {
      std::printf("%s\n", problem.c_str());
      ++problems;
    });
  }
  {
    const Phase phase("verify");
    PackPlan plan;
    std::uint64_t bytes = 0;
    plan.good = [&](std::span<const ChunkMark> marks) {
      for (const ChunkMark& mark : marks) bytes += mark.bytes;
    };
    (void)store->check_packs(plan, [&](const PackProblem&) { ++problems; }, {});
    std::printf("           content %.1f MB\n", static_cast<double>(bytes) / 1e6);
  }
  report(home);
  return problems == 0 ? 0 : 65;
}
