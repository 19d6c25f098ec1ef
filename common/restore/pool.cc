#include "common/restore/pool.h"

#include <utility>

namespace bk {

TaskPool::TaskPool(unsigned threads, std::uint64_t most_weight) : most_weight_(most_weight) {
  for (unsigned i = 0; i < threads; ++i) threads_.emplace_back([this] { work(); });
}

TaskPool::~TaskPool() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    stop_ = true;
    queue_.clear();
  }
  news_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void TaskPool::run_one(std::unique_lock<std::mutex>& lock, Scratch& scratch) {
  Waiting next = std::move(queue_.front());
  queue_.pop_front();
  weight_ -= next.weight;
  lock.unlock();
  std::exception_ptr error;
  try {
    next.task->run(scratch);
  } catch (...) {
    error = std::current_exception();
  }
  next.task.reset();
  lock.lock();
  if (error) {
    if (!error_) error_ = error;
    queue_.clear();
    weight_ = 0;
  }
  ended_.notify_one();
}

void TaskPool::work() {
  Scratch scratch;
  std::unique_lock<std::mutex> lock(mutex_);
  for (;;) {
    news_.wait(lock, [&] { return stop_ || !queue_.empty(); });
    if (stop_) return;
    run_one(lock, scratch);
  }
}

// The lock is held.
void TaskPool::rethrow() {
  if (error_) std::rethrow_exception(error_);
}

void TaskPool::add(std::uint64_t weight, std::unique_ptr<Task> task) {
  std::unique_lock<std::mutex> lock(mutex_);
  rethrow();
  queue_.push_back({weight, std::move(task)});
  weight_ += weight;
  news_.notify_one();
  while (!queue_.empty() && (weight_ > most_weight_ || threads_.empty())) run_one(lock, own_);
  rethrow();
}

void TaskPool::run_until(const std::function<bool()>& done) {
  std::unique_lock<std::mutex> lock(mutex_);
  for (;;) {
    rethrow();
    if (done()) return;
    if (queue_.empty())
      ended_.wait(lock);
    else
      run_one(lock, own_);
  }
}

}  // namespace bk
