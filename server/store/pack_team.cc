#include "server/store/pack_team.h"

#include <algorithm>
#include <exception>
#include <thread>

namespace bk::store {
namespace {

constexpr std::size_t kMostThreads = 4;

}  // namespace

std::size_t team_size(std::size_t packs) {
  const std::size_t processors = std::max(1U, std::thread::hardware_concurrency());
  return std::max<std::size_t>(1, std::min({packs, kMostThreads, processors}));
}

void work_off(std::span<const std::uint64_t> packs, std::size_t members, const PackWork& work) {
  std::mutex mutex;
  std::size_t next = 0;
  std::exception_ptr failure;
  const auto run = [&](std::size_t member) {
    std::unique_lock lock(mutex);
    while (next < packs.size() && !failure) {
      try {
        work(member, packs[next++], lock);
      } catch (...) {
        if (!lock.owns_lock()) lock.lock();
        if (!failure) failure = std::current_exception();
      }
    }
  };
  std::vector<std::jthread> others;
  for (std::size_t i = 1; i < members; ++i) others.emplace_back(run, i);
  run(0);
  others.clear();
  if (failure) std::rethrow_exception(failure);
}

}  // namespace bk::store
