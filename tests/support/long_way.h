// A delay_proxy in front of a loopback port, for as long as the object lives (README.md has its options).
#pragma once

#include "common/io/fd.h"
#include "common/process/process.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace bk::test {

class LongWay {
 public:
  // `options` as delay_proxy takes them: {"--delay", "50"}.
  explicit LongWay(std::uint16_t to_port, std::vector<std::string> options = {});
  ~LongWay();
  [[nodiscard]] std::uint16_t port() const { return port_; }
  struct Carried {
    std::uint64_t up = 0, down = 0, connections = 0;  // up: from whoever connected
  };
  // Ends it and every connection through it; says what went through.
  Carried stop();

 private:
  [[nodiscard]] std::string read_line();
  std::optional<Child> child_;
  Fd says_;
  std::uint16_t port_ = 0;
};

}  // namespace bk::test
