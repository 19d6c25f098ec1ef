// A few threads that work off a queue of bounded weight.
//
// An exception in a task stops the work: what waits is dropped, and the next call of the owner throws it.
#pragma once

#include "common/compress/group.h"

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace bk {

// What every thread has for itself.
struct Scratch {
  GroupDecoder decoder;
  std::string content;
};

class Task {
 public:
  virtual ~Task() = default;
  virtual void run(Scratch& scratch) = 0;
};

class TaskPool {
 public:
  // 0 threads: everything runs in the owner's calls.
  TaskPool(unsigned threads, std::uint64_t most_weight);
  // Drops what waits.
  ~TaskPool();
  TaskPool(const TaskPool&) = delete;
  TaskPool& operator=(const TaskPool&) = delete;

  // Lends a hand while more than `most_weight` waits.
  void add(std::uint64_t weight, std::unique_ptr<Task> task);
  // Works and waits until `done`, which the tasks make true.
  void run_until(const std::function<bool()>& done);

 private:
  struct Waiting {
    std::uint64_t weight = 0;
    std::unique_ptr<Task> task;
  };
  void work();
  // Runs the first task; the lock is free meanwhile.
  void run_one(std::unique_lock<std::mutex>& lock, Scratch& scratch);
  void rethrow();

  std::uint64_t most_weight_;
  std::mutex mutex_;
  std::condition_variable news_, ended_;
  std::deque<Waiting> queue_;
  std::uint64_t weight_ = 0;
  bool stop_ = false;
  std::exception_ptr error_;
  Scratch own_;
  std::vector<std::thread> threads_;
};

}  // namespace bk
