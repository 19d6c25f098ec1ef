// The index with very many entries, and RocksDB with as many beside it.
//
//   index_bench generate FOLDER ENTRIES   runs as a grown store has them, written in key order
//   index_bench load FOLDER ENTRIES       the same by way of a backup: batches of new chunks, merged as they
//   come index_bench ask FOLDER                look-ups, hits and misses, one by one and in batches
//   index_bench rocksdb-load | rocksdb-ask FOLDER [ENTRIES]
//
// Figures, not a test.  tests/bench/index runs it with a limit on memory.
#include "tests/bench/index_bench.h"

#include "common/io/file.h"
#include "server/store/index.h"
#include "server/store/run_set.h"
#include "server/store/run_writer.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdio>
#include <cstring>

namespace bk::bench {

using namespace store;  // NOLINT

namespace {

const StoreId kStore{{7}};
constexpr std::uint64_t kChunksPerPack = 3000;  // 32 MiB of chunks of about 10 KiB
constexpr std::size_t kSampleEvery = 512;

double clock_seconds(clockid_t clock) {
  timespec t{};
  (void)::clock_gettime(clock, &t);
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) * 1e-9;
}

void for_each_file(const std::string& folder, const std::function<void(const std::string&)>& visit) {
  for (const std::string& name : list_directory(folder)) {
    const std::string path = folder + "/" + name;
    if (is_directory(path))
      for_each_file(path, visit);
    else
      visit(path);
  }
}

Slot random_slot(Random& random, std::uint64_t packs) {
  const std::uint64_t bits = random.next();
  return {static_cast<std::uint32_t>((bits >> 32U) % packs), static_cast<std::uint32_t>(bits & 0x1ffffffU),
          static_cast<std::uint16_t>(bits >> 25U & 127U), ObjectKind::Data};
}

// One run of keys in order: the distances of uniform keys are exponential.
void generate_run(const std::string& folder, std::uint64_t entries, Random random, std::vector<Key>& sample) {
  std::vector<Coverage> packs(std::max<std::uint64_t>(1, entries / kChunksPerPack));
  for (Coverage& pack : packs) pack = {random.next(), kWholePack};
  std::sort(packs.begin(), packs.end(), [](const auto& a, const auto& b) { return a.pack < b.pack; });
  const std::uint64_t pack_count = packs.size();
  RunShape shape;
  shape.kind = RunKind::Located;
  shape.widen(Slot{0, 0x1ffffffU, 127, ObjectKind::Data});
  RunWriter writer(folder, kStore, shape, entries, std::move(packs));
  const double step = 0x1p64 / static_cast<double>(entries + entries / 1000 + 1000);
  std::uint64_t head = 0;
  for (std::uint64_t i = 0; i < entries; ++i) {
    const auto gap = static_cast<std::uint64_t>(-std::log(random.real()) * step);
    if (head + gap < head) break;
    head += gap;
    const Key key = store::key_of(static_cast<Wide>(head) << 64U | random.next());
    writer.add(key, random_slot(random, pack_count));
    if (random.next() % kSampleEvery == 0) sample.push_back(key);
  }
  (void)writer.finish();
}

void report_size(const std::string& folder, std::uint64_t entries) {
  const std::uint64_t bytes = bytes_below(folder + "/runs");
  std::printf("%llu entries, %.2f GB, %.2f bytes an entry\n", static_cast<unsigned long long>(entries),
              static_cast<double>(bytes) / 1e9, static_cast<double>(bytes) / static_cast<double>(entries));
}

// What merging leaves of a store that grew for years: some of the largest runs, some of each size below.
int generate(const std::string& folder, std::uint64_t entries) {
  ensure_directory(folder + "/runs");
  std::vector<Key> sample;
  const double began = cpu_seconds(), since = now_seconds();
  std::uint64_t seed = 1;
  std::uint64_t left = entries;
  const std::uint64_t largest = std::min(kLargestRun, std::bit_floor(entries / 7));
  for (std::uint64_t size = largest; left > 0; size /= 16) {
    const std::uint64_t most = size == largest ? UINT64_MAX : 7;
    for (std::uint64_t i = 0; i < most && left > 0; ++i) {
      if (size > 4096 && left < size) break;
      const std::uint64_t part = std::min(size, left);
      generate_run(folder + "/runs", part, Random(seed++), sample);
      left -= part;
    }
    if (size <= 4096) break;
  }
  save_sample(folder + "/sample", sample);
  report_size(folder, entries - left);
  std::printf("generated: %.0f s, %.0f CPU s, peak memory %.0f MiB\n", now_seconds() - since,
              cpu_seconds() - began, peak_memory_mib());
  return 0;
}

int load(const std::string& folder, std::uint64_t entries) {
  ensure_directory(folder + "/runs");
  RunSet runs(folder + "/runs", kStore, RunKind::Located);
  std::vector<Key> sample;
  Random random(1);
  const double began = cpu_seconds(), since = now_seconds();
  double longest = 0;
  constexpr std::uint64_t kBatch = 1U << 17U;  // what a writer gathers
  for (std::uint64_t done = 0; done < entries; done += kBatch) {
    std::vector<IndexEntry> batch;
    const std::uint64_t pack = random.next();
    for (std::uint64_t i = 0; i < std::min(kBatch, entries - done); ++i) {
      const Key key = random.key();
      const Slot slot = random_slot(random, 1);
      batch.push_back({key, {pack, slot.offset, slot.position, slot.kind}});
      if (random.next() % kSampleEvery == 0) sample.push_back(key);
    }
    const double before = now_seconds();
    runs.add_located(std::move(batch), {{pack, kWholePack}});
    runs.merge(kMergeInCommit);
    longest = std::max(longest, now_seconds() - before);
  }
  const double in_commits = cpu_seconds() - began;
  runs.merge();
  save_sample(folder + "/sample", sample);
  report_size(folder, entries);
  std::printf(
      "loaded: %.0f s, %.0f CPU s (%.0f in commits), longest pause in a commit %.2f s, peak memory %.0f "
      "MiB\n",
      now_seconds() - since, cpu_seconds() - began, in_commits, longest, peak_memory_mib());
  return 0;
}

int ask(const std::string& folder) {
  const std::vector<Key> sample = load_sample(folder + "/sample");
  forget_cache(folder);
  const double before = now_seconds();
  RunSet runs(folder + "/runs", kStore, RunKind::Located);
  runs.reload();
  std::uint64_t entries = 0;
  for (const auto& run : runs.runs()) entries += run->size();
  std::printf("opened %zu runs in %.1f ms\n", runs.runs().size(), (now_seconds() - before) * 1e3);
  report_size(folder, entries);
  ask_all(
      [&](std::span<const Key> keys) {
        std::size_t found = 0;
        if (keys.size() == 1) {
          runs.find(keys[0],
                    [&](const Run& run, std::uint64_t i) { found += run.location(i).pack != 0 ? 1 : 0; });
          return found;
        }
        runs.find_many(keys, [&](std::size_t, const Run& run, std::uint64_t i) {
          found += run.location(i).pack != 0 ? 1 : 0;
        });
        return found;
      },
      sample);
  return 0;
}

}  // namespace

Key Random::key() { return store::key_of(static_cast<Wide>(next()) << 64U | next()); }

double cpu_seconds() { return clock_seconds(CLOCK_PROCESS_CPUTIME_ID); }
double now_seconds() { return clock_seconds(CLOCK_MONOTONIC); }

double peak_memory_mib() {
  rusage usage{};
  (void)::getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1024;
}

// From the disk, by this process.
std::uint64_t bytes_read() {
  const std::string text = read_file("/proc/self/io");
  const std::size_t at = text.find("\nread_bytes: ");
  return at == std::string::npos ? 0 : std::strtoull(text.c_str() + at + 13, nullptr, 10);
}

std::uint64_t bytes_below(const std::string& folder) {
  std::uint64_t sum = 0;
  for_each_file(folder, [&](const std::string& path) {
    struct stat info {};
    if (::stat(path.c_str(), &info) == 0) sum += static_cast<std::uint64_t>(info.st_size);
  });
  return sum;
}

void forget_cache(const std::string& folder) {
  for_each_file(folder, [](const std::string& path) {
    (void)::posix_fadvise(open_file(path, O_RDONLY).get(), 0, 0, POSIX_FADV_DONTNEED);
  });
}

void save_sample(const std::string& path, const std::vector<Key>& keys) {
  replace_durably(path, {reinterpret_cast<const char*>(keys.data()), keys.size() * sizeof(Key)});
}

std::vector<Key> load_sample(const std::string& path) {
  const std::string bytes = read_file(path, 1U << 30U);
  std::vector<Key> keys(bytes.size() / sizeof(Key));
  std::memcpy(keys.data(), bytes.data(), keys.size() * sizeof(Key));
  return keys;
}

void ask_all(const Ask& ask, const std::vector<Key>& present) {
  constexpr double kSeconds = 6;
  Random random(99);
  const auto keys_for = [&](std::size_t count, bool hits) {
    std::vector<Key> keys;
    for (std::size_t i = 0; i < count; ++i)
      keys.push_back(hits ? present[random.next() % present.size()] : random.key());
    return keys;
  };
  // The filters and fences come into memory as they do in a backup: by being asked.
  for (const double end = now_seconds() + 2 * kSeconds; now_seconds() < end;)
    (void)ask(keys_for(4096, false));
  for (const bool hits : {true, false}) {
    for (const std::size_t group : {std::size_t{1}, std::size_t{64}, std::size_t{4096}}) {
      std::size_t asked = 0, found = 0;
      double took = 0, cpu = 0;
      const std::uint64_t read_before = bytes_read();
      while (took < kSeconds) {
        const std::vector<Key> keys = keys_for(group, hits);
        const double began = now_seconds(), used = cpu_seconds();
        found += ask(keys);
        took += now_seconds() - began;
        cpu += cpu_seconds() - used;
        asked += group;
      }
      std::printf(
          "%-6s in groups of %4zu: %9.0f look-ups/s, %6.2f us CPU each, %6.0f bytes read, found %.4f\n",
          hits ? "hits" : "misses", group, static_cast<double>(asked) / took,
          cpu / static_cast<double>(asked) * 1e6,
          static_cast<double>(bytes_read() - read_before) / static_cast<double>(asked),
          static_cast<double>(found) / static_cast<double>(asked));
      std::fflush(stdout);
    }
  }
  std::printf("peak memory of the process %.0f MiB\n", peak_memory_mib());
}

#ifndef BK_ROCKSDB
int rocksdb_load(const std::string& folder, std::uint64_t) { return rocksdb_ask(folder); }
int rocksdb_ask(const std::string&) {
  std::fprintf(stderr, "built without RocksDB: install librocksdb-dev and configure anew\n");
  return 69;
}
#endif

}  // namespace bk::bench

int main(int argc, char** argv) {
  using namespace bk::bench;  // NOLINT
  const std::string what = argc > 2 ? argv[1] : "";
  const std::uint64_t entries = argc > 3 ? std::strtoull(argv[3], nullptr, 10) : 0;
  if (what == "generate" && entries > 0) return generate(argv[2], entries);
  if (what == "load" && entries > 0) return load(argv[2], entries);
  if (what == "ask") return ask(argv[2]);
  if (what == "rocksdb-load" && entries > 0) return rocksdb_load(argv[2], entries);
  if (what == "rocksdb-ask") return rocksdb_ask(argv[2]);
  std::fprintf(stderr, "index_bench generate|load|ask|rocksdb-load|rocksdb-ask FOLDER [ENTRIES]\n");
  return 64;
}
