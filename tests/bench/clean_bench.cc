// Fills a store with CHUNKS small chunks of 100 sources and prints what the first clean costs, one when
// nothing changed, the clean of the hundredth that only one source had, the same again with everything
// compared and counted anew, and a rebuild of the index: clean_bench STORE-HOME CHUNKS
//
// Figures, not a test.
#include "server/store/tree.h"

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace {

using namespace bk;         // NOLINT
using namespace bk::store;  // NOLINT

constexpr std::uint64_t kSources = 100, kChunksPerFile = 1000, kChunkBytes = 200;

// Runs `body` in a process of its own and prints what that cost: CPU, wall, peak memory.
template <class Body>
void measured(const char* what, Body&& body) {
  const auto began = std::chrono::steady_clock::now();
  (void)std::fflush(stdout);
  const pid_t child = ::fork();
  if (child == 0) {
    body();
    (void)std::fflush(stdout);
    ::_exit(0);
  }
  int status = 0;
  rusage usage{};
  if (child < 0 || ::wait4(child, &status, 0, &usage) < 0 || status != 0) std::exit(1);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  const std::chrono::duration<double> wall = std::chrono::steady_clock::now() - began;
  std::printf("%-32s CPU %7.2f s  wall %7.2f s  peak %4ld MiB\n", what,
              seconds(usage.ru_utime) + seconds(usage.ru_stime), wall.count(), usage.ru_maxrss / 1024);
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

void fill(const std::string& path, std::uint64_t chunks) {
  const auto store = Store::open(path, true);
  for (std::uint64_t source = 0; source < kSources; ++source)
    (void)fill_one(*store, source, chunks / kSources);
}

void remove_one(const std::string& path) {
  const auto store = Store::open(path);
  const std::vector<std::string> ids{store->newest("web1", "directories", "rsync", "/srv/7").value().id};
  store->mark_snapshots("web1", {}, ids);
}

void clean(const std::string& path, const CleanOptions& options = {}) {
  const CleanTotals totals = Store::open(path)->clean(options);
  std::printf("%llu of %llu chunks unneeded, %llu packs removed, %llu rewritten%s\n",
              static_cast<unsigned long long>(totals.unneeded),
              static_cast<unsigned long long>(totals.chunks),
              static_cast<unsigned long long>(totals.packs_removed),
              static_cast<unsigned long long>(totals.packs_rewritten), totals.all ? ", all compared" : "");
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 64;
  const std::string path = std::string(argv[1]) + "/store";
  const std::uint64_t chunks = std::strtoull(argv[2], nullptr, 10);
  measured("filled", [&] { fill(path, chunks); });
  CleanOptions everything;
  everything.all = true;
  CleanOptions anew = everything;
  anew.recount = true;
  measured("first clean", [&] { clean(path); });
  measured("clean, nothing went", [&] { clean(path); });
  measured("a hundredth is removed", [&] { remove_one(path); });
  measured("clean of a hundredth", [&] { clean(path); });
  measured("clean, all compared", [&] { clean(path, everything); });
  measured("clean, all counted anew", [&] { clean(path, anew); });
  measured("index and possession built anew",
           [&] { Store::open(path)->rebuild_index([](std::uint64_t, std::uint64_t) {}, true); });
  return 0;
}
