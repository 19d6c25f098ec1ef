// What to send of a batch of which the server told signatures of old bytes (feature "windows").
#pragma once

#include "common/compress/group.h"
#include "proto/pull/messages.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace bk::agent {

// A batch of chunks: their bytes one after another, and their lengths.
struct BatchContent {
  std::uint64_t batch = 0;
  std::string content;
  std::vector<std::uint32_t> lengths;
  std::optional<pull::Bitmap> unasked;  // these were sent already; then `content` is empty
};

// The needed chunks as differences from the old bytes, or nothing when that is not smaller than sending them
// whole.  Throws Protocol for signatures that do not fit the batch.
[[nodiscard]] std::optional<pull::Delta> answer_with_delta(const BatchContent& batch,
                                                           const pull::Bitmap& need,
                                                           const pull::Signatures& signatures,
                                                           GroupEncoder& encoder);

// The bytes of the needed chunks.
[[nodiscard]] std::string needed_content(const BatchContent& batch, const pull::Bitmap& need);

}  // namespace bk::agent
