// How do_backup asks a worker to end: SIGTERM (do_backup itself is stopped) and SIGUSR1 (the worker's time is
// up).  While this object lives they do nothing but say so; without it they end the process, which harms
// nothing either, but keeps no checkpoint.
#pragma once

#include <string>

namespace bk::server {

class StopSignal {
 public:
  StopSignal();
  ~StopSignal();
  StopSignal(const StopSignal&) = delete;
  StopSignal& operator=(const StopSignal&) = delete;
  // do_backup itself is being stopped: nobody's fault.
  [[nodiscard]] static bool of_server();
  // Throws Cancelled, with the reason, once one of them came.
  static void check();
};

}  // namespace bk::server
