// How do_backup asks a worker to end: SIGTERM (do_backup itself is stopped), SIGUSR1 (the worker's time is
// up) and SIGUSR2 (its turn is over: others wait).  While this object lives they do nothing but say so;
// without it they end the process, which harms nothing either, but keeps no checkpoint.
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
  // Others waited.
  [[nodiscard]] static bool of_turn();
  // Any of them.
  [[nodiscard]] static bool came();
  // Throws Cancelled, with the reason, once one of them came.
  static void check();
};

}  // namespace bk::server
