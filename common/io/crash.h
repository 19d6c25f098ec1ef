// Named durable steps, at which test builds can be made to die as if the machine had lost the process.
//
//   BACKLINE_CRASH_AT=ingest.cursor      SIGKILL at the first pass of that step
//   BACKLINE_CRASH_AT=ingest.cursor:3    at the third pass
//   BACKLINE_CRASH_AT=@FILE                what FILE says now: for programs whose environment is fixed
//   (behind sshd) BACKLINE_CRASH_LOG=FILE              append the name of every step passed (how the sweep
//   learns them)
//
// Compiled to nothing unless BK_CRASH_POINTS is defined (the release preset does not define it).
// Names are "<program or area>.<step>", lower case; tests/fault/steps/ lists them all.
#pragma once

namespace bk {

#ifdef BK_CRASH_POINTS
void crash_point(const char* step) noexcept;
// A child ended with this status: when a crash point killed it, the machine was meant to be lost, so we go
// too.
void crash_with_child(int status) noexcept;
#else
inline void crash_point(const char*) noexcept {}
inline void crash_with_child(int) noexcept {}
#endif

}  // namespace bk
