// Many equal pieces of work, several at once.
#pragma once

#include <cstddef>
#include <functional>

namespace bk::client {

// Calls work(worker, i) for each i below `count`, in order of i, by up to `workers` threads; `worker` says
// which of them.  Returns when all have ended.  What one throws comes out again, once; then the rest is not
// begun.
void at_once(std::size_t workers, std::size_t count,
             const std::function<void(std::size_t worker, std::size_t i)>& work);

}  // namespace bk::client
