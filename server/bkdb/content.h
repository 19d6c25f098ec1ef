// The bytes of one file, in order.
#pragma once

#include "server/store/store.h"

#include <functional>
#include <string>
#include <string_view>

namespace bk::bkdb {

// Streams entry.size bytes into `sink`, holes as zeros, some megabytes in memory at a time.  Returns "" or
// what is damaged; damaged stretches come as zeros, so the length is always right.  With `stop_at_damage` it
// throws Corrupt instead.
[[nodiscard]] std::string stream_content(store::Store& store, const Entry& entry,
                                         const std::function<void(std::string_view)>& sink,
                                         bool stop_at_damage);

// The entry with neighbouring extents of one sort joined (Chunk stands for any bytes, Hole for a hole).
// Nothing when what is recorded cannot be read or is not as long as the file; `damage` then says why.
[[nodiscard]] std::optional<Entry> with_joined_extents(store::Store& store, const Entry& entry,
                                                       std::string& damage);

}  // namespace bk::bkdb
