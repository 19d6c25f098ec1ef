// The log of one program: lines in <home>/log/<program>-YYYY-MM.log, each "<UTC time> <pid> <text>".
//
// A message is logged once, at the boundary where an error stops.  Text is one line: control bytes are
// escaped.
#pragma once

#include "common/io/fd.h"
#include "common/time/time.h"

#include <string>
#include <string_view>

namespace bk {

class Log {
 public:
  // Writes nowhere.
  Log() = default;
  // Logs below `<home>/log`; a folder that cannot be written makes the log silent, never a failed backup.
  Log(const std::string& home, const std::string& program, const Clock& clock);
  void line(std::string_view text) const;
  // Also to `<home>/log/notices`, which people read: what needs somebody's attention.
  void notice(std::string_view text) const;

 private:
  std::string directory_;
  std::string program_;
  const Clock* clock_ = nullptr;
};

}  // namespace bk
