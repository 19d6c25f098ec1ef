// The fence around this process while it serves a tree: a second one, behind opening beneath the root only.
//
// Whatever the walk were made to open by a mistake of ours, the kernel gives it nothing outside the folders
// that are consented to this server, lets it write only where the agent itself must (its log, a temporary
// file), start no program, and talk to nobody but the server on its descriptors.
#pragma once

#include "client/agent/consent.h"

#include <string>

namespace bk::agent {

// Confines the calling thread and what it starts from now on, for ever: call it before there are threads.
// Reading below every one of consent.roots that is there (a root that appears later is refused by the
// kernel), writing below <home>/log and `temporary`.  New rights by setuid programs, starting programs, all
// sockets but local ones and the calls of common/seccomp are given up as well.  False: the kernel has no
// Landlock, only the last was done.  Throws Io.
[[nodiscard]] bool confine_tree(const Consent& consent, const std::string& temporary);

}  // namespace bk::agent
