#include "server/backup/stop_signal.h"

#include "common/error/error.h"
#include "server/backup/verdict.h"

#include <csignal>

namespace bk::server {
namespace {

volatile std::sig_atomic_t g_came = 0;

void note(int signal) { g_came = signal; }

void handle(void (*handler)(int)) {
  struct sigaction action {};
  action.sa_handler = handler;
  action.sa_flags = SA_RESTART;
  for (const int signal : {SIGTERM, SIGUSR1, SIGUSR2}) (void)::sigaction(signal, &action, nullptr);
}

}  // namespace

StopSignal::StopSignal() { handle(&note); }
StopSignal::~StopSignal() { handle(SIG_DFL); }

bool StopSignal::of_server() { return g_came == SIGTERM; }

bool StopSignal::of_turn() { return g_came == SIGUSR2; }
bool StopSignal::came() { return g_came != 0; }

void StopSignal::check() {
  if (g_came == 0) return;
  throw Error(Kind::Cancelled, of_server() ? "do_backup was stopped"
                               : of_turn() ? kTurnOver
                                           : "its time was up: limits.pull_timeout or idle_timeout");
}

}  // namespace bk::server
