#include "client/modules/at_once.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace bk::client {

void at_once(std::size_t workers, std::size_t count,
             const std::function<void(std::size_t worker, std::size_t i)>& work) {
  std::atomic<std::size_t> next{0};
  std::mutex mutex;
  std::exception_ptr failure;
  const auto one = [&](std::size_t worker) {
    for (std::size_t i = next++; i < count; i = next++) {
      try {
        work(worker, i);
      } catch (...) {
        const std::lock_guard<std::mutex> guard(mutex);
        if (!failure) failure = std::current_exception();
        next = count;
      }
    }
  };
  {
    std::vector<std::jthread> threads;
    for (std::size_t worker = 1; worker < std::min(workers, count); ++worker)
      threads.emplace_back([&, worker] { one(worker); });
    one(0);
  }
  if (failure) std::rethrow_exception(failure);
}

}  // namespace bk::client
