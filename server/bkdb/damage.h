// What a command found wrong in the stored data or had to leave out, told on standard error as it is found.
#pragma once

#include "common/restore/report.h"

#include <cstdint>
#include <functional>
#include <string>

namespace bk::bkdb {

struct Findings {
  std::uint64_t damaged = 0;     // paths whose stored bytes are missing or wrong
  std::uint64_t unreadable = 0;  // files that the disk did not give back
  std::uint64_t left_out =
      0;  // flagged in the backup (unreadable, changed while read) or refused by the system
  // Told instead of standard error.
  std::function<void(bool damaged, const std::string& path, const std::string& text)> listener;
  // One line on standard error: `program: "path": text`.
  void damage(const std::string& path, const std::string& text);
  void cannot_read(const std::string& path, const std::string& text);
  void leave_out(const std::string& path, const std::string& text);
  // 65 when anything is damaged, else 74 when anything could not be read, else 3 when anything was left out,
  // else 0.
  [[nodiscard]] int status() const;
};

}  // namespace bk::bkdb
