// One sample of each message of the tree protocol: for golden bytes, fuzz seeds and round trips.
#pragma once

#include "proto/pull/messages.h"

#include <string>
#include <vector>

namespace bk::test {

struct PullSample {
  std::string name;  // the message's
  pull::FrameType type;
  std::string payload;
};
[[nodiscard]] std::vector<PullSample> pull_samples();

// Entries of every type, in order.
[[nodiscard]] std::vector<Entry> sample_page();

// decode, then encode again; throws Protocol as decode does.  Of Entries the body is decoded, too, when it is
// raw.
[[nodiscard]] std::string recode(pull::FrameType type, std::string_view payload);

}  // namespace bk::test
