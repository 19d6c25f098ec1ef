// What waits to be written to the server: frames in their order, groups compressed on the way by a few
// threads.
//
// Groups are compressed in parallel, and leave in the order in which they came.  Bounded: whoever puts
// something in waits until there is room.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <list>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace bk::agent {

class Outbox {
 public:
  // `deadline`: how long put() waits for room.
  Outbox(unsigned workers, std::chrono::milliseconds deadline);
  ~Outbox();  // what was not taken is dropped
  Outbox(const Outbox&) = delete;
  Outbox& operator=(const Outbox&) = delete;

  // As many threads as are worth their memory on this machine.
  [[nodiscard]] static unsigned usual_workers();

  // Whole frames.  Throws what fail() was told, and Transient after the deadline.
  void put(std::string frames);
  // The content of a Group message, to be compressed.
  void put_group(std::uint64_t batch, std::string content);
  // An empty string with the memory of a content that was sent, when there is one: memory fresh from the
  // kernel costs half as much as hashing what is put there.
  [[nodiscard]] std::string spare();
  // Memory that somebody may use again.
  void give_back(std::string content);
  // Nothing more comes.
  void close();
  // Ends every waiting: put() throws this, take() returns Ended.
  void fail(std::exception_ptr error);

  enum class Taken { Frames, Late, Ended };
  // The oldest frames, once they are ready.  Ended: closed and empty, or failed.
  [[nodiscard]] Taken take(std::string& frames, std::chrono::milliseconds wait);
  // The oldest group that is ready, for another line: a server with stripes does not mind its place.  Waits
  // until there is one; Ended when no more come.  It takes up room until written() is told of its `weight`.
  [[nodiscard]] Taken take_group(std::string& frame, std::size_t& weight);
  void written(std::size_t weight);
  [[nodiscard]] bool failed();

 private:
  enum class State { Content, Working, Ready };
  struct Parcel {
    State state = State::Ready;
    std::string bytes;
    std::uint64_t batch = 0;
    std::size_t weight = 0;
    bool is_group = false;
  };
  using Parcels = std::list<Parcel>;  // elements stay where they are while others come and go
  void hand_over(Parcels::iterator parcel, std::string& frames);  // with the mutex held
  void enqueue(Parcel parcel);
  void work();
  [[nodiscard]] Parcel* next_content();  // with the mutex held
  void keep(std::string content);        // with the mutex held

  std::chrono::milliseconds deadline_;
  std::mutex mutex_;
  std::condition_variable room_, ready_, content_;
  Parcels parcels_;
  std::size_t bytes_ = 0;
  std::vector<std::string> spares_;
  bool closed_ = false;
  std::exception_ptr error_;
  std::vector<std::thread> workers_;
};

}  // namespace bk::agent
