// The same entries in RocksDB: the library that DESIGN names as the one to beat.
#include "common/io/file.h"
#include "tests/bench/index_bench.h"

#include <rocksdb/cache.h>
#include <rocksdb/db.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/table.h>
#include <rocksdb/write_batch.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <memory>

namespace bk::bench {
namespace {

void check(const rocksdb::Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "rocksdb: %s\n", status.ToString().c_str());
  std::exit(74);
}

std::unique_ptr<rocksdb::DB> open(const std::string& folder, bool read_only) {
  rocksdb::Options options;
  options.create_if_missing = true;
  options.compression = rocksdb::kNoCompression;  // keys are digests
  options.max_background_jobs = 2;
  options.write_buffer_size = 64U << 20U;
  options.optimize_filters_for_hits = false;
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = rocksdb::NewLRUCache(64U << 20U);  // the kernel caches the rest, as it does for runs
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10, false));
  table.index_type = rocksdb::BlockBasedTableOptions::kTwoLevelIndexSearch;
  table.partition_filters = true;
  table.cache_index_and_filter_blocks = true;
  table.block_size = 4096;
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  rocksdb::DB* db = nullptr;
  check(read_only ? rocksdb::DB::OpenForReadOnly(options, folder, &db)
                  : rocksdb::DB::Open(options, folder, &db));
  return std::unique_ptr<rocksdb::DB>(db);
}

rocksdb::Slice slice(const store::Key& key) {
  return {reinterpret_cast<const char*>(key.bytes.data()), key.bytes.size()};
}

}  // namespace

int rocksdb_load(const std::string& folder, std::uint64_t entries) {
  ensure_directory(folder);
  const double began = cpu_seconds(), since = now_seconds();
  std::vector<store::Key> sample;
  {
    const std::unique_ptr<rocksdb::DB> db = open(folder + "/db", false);
    Random random(1);
    rocksdb::WriteOptions write;
    write.disableWAL = true;  // the packs are the truth
    for (std::uint64_t done = 0; done < entries;) {
      rocksdb::WriteBatch batch;
      for (std::uint64_t i = 0; i < 4096 && done < entries; ++i, ++done) {
        const store::Key key = random.key();
        const std::uint64_t place = random.next() >> 8U;  // 7 bytes: slot, offset, position, kind
        check(batch.Put(slice(key), rocksdb::Slice(reinterpret_cast<const char*>(&place), 7)));
        if (random.next() % 512 == 0) sample.push_back(key);
      }
      check(db->Write(write, &batch));
    }
    check(db->Flush({}));
    std::string running = "1", pending = "1";
    while (running != "0" || pending != "0") {
      (void)db->GetProperty("rocksdb.num-running-compactions", &running);
      (void)db->GetProperty("rocksdb.compaction-pending", &pending);
      (void)::usleep(100'000);
    }
  }
  save_sample(folder + "/sample", sample);
  const std::uint64_t bytes = bytes_below(folder + "/db");
  std::printf("%llu entries, %.2f GB, %.2f bytes an entry\n", static_cast<unsigned long long>(entries),
              static_cast<double>(bytes) / 1e9, static_cast<double>(bytes) / static_cast<double>(entries));
  std::printf("loaded: %.0f s, %.0f CPU s, peak memory %.0f MiB\n", now_seconds() - since,
              cpu_seconds() - began, peak_memory_mib());
  return 0;
}

int rocksdb_ask(const std::string& folder) {
  const std::vector<store::Key> sample = load_sample(folder + "/sample");
  forget_cache(folder);
  const double before = now_seconds();
  const std::unique_ptr<rocksdb::DB> db = open(folder + "/db", true);
  std::printf("opened in %.1f ms\n", (now_seconds() - before) * 1e3);
  ask_all(
      [&](std::span<const store::Key> keys) {
        if (keys.size() == 1) {
          std::string value;
          return db->Get({}, slice(keys[0]), &value).ok() ? std::size_t{1} : std::size_t{0};
        }
        std::vector<store::Key> sorted(keys.begin(), keys.end());
        std::sort(sorted.begin(), sorted.end());
        std::vector<rocksdb::Slice> slices;
        for (const store::Key& key : sorted) slices.push_back(slice(key));
        std::vector<rocksdb::PinnableSlice> values(keys.size());
        std::vector<rocksdb::Status> statuses(keys.size());
        rocksdb::ReadOptions read;
        read.async_io = true;
        db->MultiGet(read, db->DefaultColumnFamily(), slices.size(), slices.data(), values.data(),
                     statuses.data(), true);
        return static_cast<std::size_t>(
            std::count_if(statuses.begin(), statuses.end(), [](const auto& status) { return status.ok(); }));
      },
      sample);
  return 0;
}

}  // namespace bk::bench
