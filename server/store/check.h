// Packs and journals compared with their own digests; internal to server/store.
#pragma once

#include "server/store/layout.h"

#include <functional>
#include <string>

namespace bk::store {

// One line of text per problem.  `path` is what they call it; `finished`: a pack, which ends in a seal.
// Payloads are hashed, not decoded.
void check_pack(ObjectReader& in, const std::string& path, const PackRef& pack, bool finished,
                const std::function<void(const std::string&)>& report);

// All packs with their parity, and the journals.
void check_packs(const Layout& layout, const StoreId& store,
                 const std::function<void(const std::string&)>& report);

}  // namespace bk::store
