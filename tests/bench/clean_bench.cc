// Fills a store with CHUNKS small chunks of 100 sources, removes the only snapshot of one, and prints what
// the clean of that hundredth costs: clean_bench STORE-HOME CHUNKS
//
// Figures, not a test.
#include "server/store/tree.h"

#include <sys/resource.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace {

using namespace bk;         // NOLINT
using namespace bk::store;  // NOLINT

constexpr std::uint64_t kSources = 100, kChunksPerFile = 1000, kChunkBytes = 200;

double cpu_s() {
  rusage usage{};
  (void)::getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

long peak_mib() {
  rusage usage{};
  (void)::getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss / 1024;
}

std::string fill_one(Store& store, std::uint64_t source, std::uint64_t chunks) {
  const std::string name = "/srv/" + std::to_string(source);
  const auto writer = store.writer("web1", "directories", "rsync", name);
  DirectoryWriter directory(*writer);
  std::string content(kChunkBytes, '\0');
  std::uint64_t state = source * 1'000'003 + 1;
  for (std::uint64_t file = 0; file * kChunksPerFile < chunks; ++file) {
    Entry entry;
    char text[24];
    (void)std::snprintf(text, sizeof text, "f%08llu", static_cast<unsigned long long>(file));
    entry.name = text;
    for (std::uint64_t i = 0; i < kChunksPerFile; ++i) {
      for (std::size_t at = 0; at < kChunkBytes; at += 8) {
        state = state * 6364136223846793005U + 1442695040888963407U;
        std::memcpy(content.data() + at, &state, 8);
      }
      entry.content.push_back({Extent::Kind::Chunk, kChunkBytes, writer->put(ObjectKind::Data, content), {}});
    }
    entry.size = kChunksPerFile * kChunkBytes;
    directory.add(entry);
  }
  SnapshotRecord record;
  record.client = "web1";
  record.module = "directories";
  record.method = "rsync";
  record.name = name;
  record.began = record.ended = {1783000000, 0};
  record.root.type = EntryType::Directory;
  record.root.node = directory.finish().node;
  return writer->commit(std::move(record)).id;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 64;
  const auto store = Store::open(std::string(argv[1]) + "/store", true);
  const std::uint64_t chunks = std::strtoull(argv[2], nullptr, 10);
  std::string first;
  double began = cpu_s();
  for (std::uint64_t source = 0; source < kSources; ++source) {
    const std::string id = fill_one(*store, source, chunks / kSources);
    if (source == 7) first = id;
  }
  std::printf("filled: %.1f s of CPU, %ld MiB at most\n", cpu_s() - began, peak_mib());
  const std::vector<std::string> ids{first};
  store->mark_snapshots("web1", {}, ids);
  const auto fresh = Store::open(std::string(argv[1]) + "/store");
  began = cpu_s();
  CleanOptions options;
  options.pretend = true;
  (void)fresh->clean(options);
  std::printf("what has to go is found: %.2f s of CPU\n", cpu_s() - began);
  options.pretend = false;
  began = cpu_s();
  const CleanTotals totals = fresh->clean(options);
  std::printf(
      "clean: %llu of %llu chunks, %llu packs removed, %llu rewritten, %.2f s of CPU, %ld MiB at most\n",
      static_cast<unsigned long long>(totals.unneeded), static_cast<unsigned long long>(totals.chunks),
      static_cast<unsigned long long>(totals.packs_removed),
      static_cast<unsigned long long>(totals.packs_rewritten), cpu_s() - began, peak_mib());
  return 0;
}
