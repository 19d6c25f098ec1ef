// Randomness, injected so that tests can repeat a run.
#pragma once

#include <cstddef>
#include <string>

namespace bk {

class Random {
 public:
  virtual ~Random() = default;
  [[nodiscard]] virtual std::string bytes(std::size_t count) = 0;
  // A fresh request or snapshot id: 128 bits as 32 lower-case hex digits.
  [[nodiscard]] std::string new_id();
};

// The kernel's generator (getrandom(2)).
class SystemRandom final : public Random {
 public:
  [[nodiscard]] std::string bytes(std::size_t count) override;
};

}  // namespace bk
