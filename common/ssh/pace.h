// How fast all lines to one peer together may be, whichever processes hold them.
//
// A token bucket as one number in a small file that every process maps: the moment at which everything taken
// so far is paid for.  Taking n bytes moves it n / rate onwards (it never lags more than the burst behind
// now); whoever finds it in the future waits until then.  One compare-and-swap, so a process that dies holds
// nothing up.  The monotonic clock is the same for all of them; after a reboot the file begins anew.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>

namespace bk::ssh {

struct Bandwidth {
  std::uint64_t bytes_per_second = 0;  // both directions together; 0: as fast as it goes
  std::string file;                    // shared by all who share the limit; made when it is missing
};

class Pace {
 public:
  // Throws Io.
  explicit Pace(const Bandwidth& limit);
  ~Pace();
  Pace(const Pace&) = delete;
  Pace& operator=(const Pace&) = delete;
  void take(std::uint64_t bytes);
  // Until everything taken, by anybody, is paid for: sleeps.  At most kMostDebt.
  void wait() const;

  static constexpr std::chrono::milliseconds kBurst{500};  // worth of bytes that an idle line may catch up on
  static constexpr std::chrono::seconds kMostDebt{30};

 private:
  [[nodiscard]] std::int64_t* paid_at() const;
  std::uint64_t rate_;
  void* page_ = nullptr;
};

}  // namespace bk::ssh
