// What a program holds in its memory (keys, passwords that a configuration names) stays there.
#pragma once

namespace bk {

// No core file of this process, and none of the programs that it starts; nobody of the same user looks into
// its memory or its environment through /proc or ptrace (prctl(2), PR_SET_DUMPABLE).  The second is lost by
// the next exec, the first is inherited.  run_program does it before anything else; root is not kept out.
void keep_memory_private() noexcept;

}  // namespace bk
