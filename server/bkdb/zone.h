// Showing and reading wall-clock times: UTC by default, the machine's zone with --local.
#pragma once

#include "common/time/time.h"

#include <optional>
#include <string>

namespace bk::bkdb {

enum class Zone { Utc, Local };

[[nodiscard]] CivilTime to_civil(std::int64_t seconds, Zone zone);
// Nothing for an impossible date.  A local time that the clock skipped or repeats is read as mktime(3) reads
// it.
[[nodiscard]] std::optional<std::int64_t> from_civil(const CivilTime& civil, Zone zone);

// "2013-09-05 01:35:30", as `ls` shows it.
[[nodiscard]] std::string shown_time(Timestamp time, Zone zone);
// "20130905T013530Z", always UTC: part of file names.
[[nodiscard]] std::string compact_time(Timestamp time);

}  // namespace bk::bkdb
