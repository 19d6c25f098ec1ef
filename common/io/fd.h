// A file descriptor with one owner.
#pragma once

#include <utility>

namespace bk {

class Fd {
 public:
  Fd() noexcept = default;
  explicit Fd(int fd) noexcept : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    if (this != &other) {
      reset();
      fd_ = std::exchange(other.fd_, -1);
    }
    return *this;
  }
  ~Fd() { reset(); }

  [[nodiscard]] int get() const noexcept { return fd_; }
  [[nodiscard]] explicit operator bool() const noexcept { return fd_ >= 0; }
  [[nodiscard]] int release() noexcept { return std::exchange(fd_, -1); }
  // Closes and forgets; an error is ignored.  Whoever wrote through the descriptor calls close() instead.
  void reset() noexcept;
  // Closes; throws Io when the kernel reports a late write error.
  void close();

 private:
  int fd_ = -1;
};

}  // namespace bk
