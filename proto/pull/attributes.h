// Parts that several messages share: stat, extended attributes, a compressed body.
#pragma once

#include "common/compress/group.h"
#include "common/tree/entry.h"
#include "proto/pull/messages.h"
#include "proto/pull/payload.h"

#include <vector>

namespace bk::pull {

void write_stat(PayloadWriter& out, const Stat& stat);
[[nodiscard]] Stat read_stat(PayloadReader& in);

void write_xattrs(PayloadWriter& out, const std::vector<Xattr>& xattrs);
// Sorted strictly by name, within kMaxXattrs and kMaxXattrBytes.
[[nodiscard]] std::vector<Xattr> read_xattrs(PayloadReader& in);

void write_group(PayloadWriter& out, const EncodedGroup& group);
// The rest of the payload; decoded at most `limit` bytes.
[[nodiscard]] EncodedGroup read_group(PayloadReader& in, std::size_t limit);

}  // namespace bk::pull
