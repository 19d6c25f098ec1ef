#include "common/process/private_memory.h"

#include <sys/prctl.h>
#include <sys/resource.h>

namespace bk {

void keep_memory_private() noexcept {
  // One byte, not none: with 0 the kernel still feeds a core_pattern that is a pipe, as systemd-coredump's;
  // with 1 it does neither (fs/coredump.c, since Linux 2.6.32).
  const rlimit least{1, 1};
  (void)::setrlimit(RLIMIT_CORE, &least);
  (void)::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

}  // namespace bk
