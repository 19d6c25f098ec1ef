// What the benchmarks of the index share: the same keys, the same questions, the same report.
#pragma once

#include "server/store/location.h"

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

namespace bk::bench {

// Uniform keys, the same on every machine.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}
  [[nodiscard]] std::uint64_t next() {  // splitmix64
    std::uint64_t z = (state_ += 0x9E3779B97F4A7C15U);
    z = (z ^ (z >> 30U)) * 0xBF58476D1CE4E5B9U;
    z = (z ^ (z >> 27U)) * 0x94D049BB133111EBU;
    return z ^ (z >> 31U);
  }
  [[nodiscard]] double real() { return static_cast<double>((next() >> 11U) + 1) * 0x1p-53; }  // (0, 1]
  [[nodiscard]] store::Key key();

 private:
  std::uint64_t state_;
};

[[nodiscard]] double cpu_seconds();
[[nodiscard]] double now_seconds();
[[nodiscard]] double peak_memory_mib();  // of this process, mapped pages included
[[nodiscard]] std::uint64_t bytes_below(const std::string& folder);
// Lets go of what the kernel has cached of all files below: a limit on memory counts who reads them first.
void forget_cache(const std::string& folder);

// Answers how many of the keys are there.
using Ask = std::function<std::size_t(std::span<const store::Key>)>;
// Keys that are there and keys that are not, one by one and in groups of 64 and 4096, after a warm-up of the
// same kind; prints look-ups a second and CPU.
void ask_all(const Ask& ask, const std::vector<store::Key>& present);

// What a sample of the stored keys is kept in, beside the data.
void save_sample(const std::string& path, const std::vector<store::Key>& keys);
[[nodiscard]] std::vector<store::Key> load_sample(const std::string& path);

// index_bench_rocksdb.cc, when the library is installed.
int rocksdb_load(const std::string& folder, std::uint64_t entries);
int rocksdb_ask(const std::string& folder);

}  // namespace bk::bench
