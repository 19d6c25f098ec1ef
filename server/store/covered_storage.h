// Small objects that lie covered in a storage and are read and written as what they are.
#pragma once

#include "common/storage/storage.h"
#include "server/store/domain.h"

#include <memory>

namespace bk::store {

// The storage itself in domain 0.  Otherwise one in which put() covers and open() uncovers; what does not
// open under its name reads as bytes that no format takes for its own, so that it is treated like any damage.
// Sizes in lists are those of the covered objects; adopt() and replace() must not be called.
[[nodiscard]] std::shared_ptr<Storage> covered(std::shared_ptr<Storage> storage,
                                               std::shared_ptr<const Domain> domain);

}  // namespace bk::store
