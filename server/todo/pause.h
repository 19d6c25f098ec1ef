// Pauses that an administrator made: while one stands, do_backup begins no pull, of one client or of any
// (docs/formats/todo.md).  Requests are still taken.  An empty file is a pause, its time when it began.
#pragma once

#include "common/time/time.h"

#include <optional>
#include <string>

namespace bk::server {

class Pauses {
 public:
  // `todo` is <home>/TODO.
  explicit Pauses(std::string todo) : todo_(std::move(todo)) {}

  // Since when; `client` empty: everything.  A client is not paused because everything is.
  [[nodiscard]] std::optional<Timestamp> since(const std::string& client = {}) const;
  // Durable on return; false when it was so already.  Errors: Io.
  bool pause(const std::string& client = {}) const;
  bool resume(const std::string& client = {}) const;

 private:
  [[nodiscard]] std::string file(const std::string& client) const;
  std::string todo_;
};

}  // namespace bk::server
