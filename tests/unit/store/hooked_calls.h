// System calls that do what a test wants just before they are made, by the thread that asked for it: so two
// processes can be made to meet between any two calls.  Each hook is given the file's path, and is asked no
// more once it has returned true.
#pragma once

#include <functional>
#include <string>

namespace bk::store::test {

using CallHook = std::function<bool(const std::string& path)>;
extern thread_local CallHook before_flock;    // the path of the open file
extern thread_local CallHook before_rename;   // the new path
extern thread_local CallHook before_fsync;    // the path of the open file or folder
extern thread_local CallHook before_statvfs;  // the path asked about

}  // namespace bk::store::test
