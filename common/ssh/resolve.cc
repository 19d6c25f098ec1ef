#include "common/ssh/resolve.h"

#include "common/error/error.h"

#include <signal.h>

#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>

namespace bk::ssh {
namespace {

struct Question {
  std::string host, port;
  Lookup lookup;
  std::mutex mutex;
  std::condition_variable answered;
  std::optional<int> status;
  Addresses found;
};

addrinfo hints_of(int flags) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = flags | AI_NUMERICSERV;
  return hints;
}

void look_up(const std::shared_ptr<Question>& q) {
  Addresses found;
  addrinfo hints = hints_of(AI_ADDRCONFIG);
  int status = q->lookup(q->host.c_str(), q->port.c_str(), &hints, Out(found));
  if (status == EAI_NONAME) {  // a machine with nothing but loopback has no "configured" address family
    hints = hints_of(0);
    status = q->lookup(q->host.c_str(), q->port.c_str(), &hints, Out(found));
  }
  const std::lock_guard hold(q->mutex);
  q->found = std::move(found);
  q->status = status;
  q->answered.notify_all();
}

// Signals are for the threads that expect them.
class SignalsBlocked {
 public:
  SignalsBlocked() {
    sigset_t all;
    ::sigfillset(&all);
    (void)::pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~SignalsBlocked() { (void)::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;

 private:
  sigset_t before_{};
};

void ask(const std::shared_ptr<Question>& question, const std::string& doing) {
  const SignalsBlocked blocked;
  try {
    std::thread([question] { look_up(question); }).detach();
  } catch (const std::system_error& error) {
    throw Error(Kind::Transient, doing + ": starting a look-up: " + error.what());
  }
}

}  // namespace

Addresses resolve(const std::string& host, int port, std::chrono::milliseconds limit,
                  const std::string& doing, Lookup lookup) {
  Addresses found;
  const addrinfo numeric = hints_of(AI_NUMERICHOST);
  const std::string service = std::to_string(port);
  if (::getaddrinfo(host.c_str(), service.c_str(), &numeric, Out(found)) == 0) return found;

  const auto question = std::make_shared<Question>();
  question->host = host;
  question->port = service;
  question->lookup = std::move(lookup);
  ask(question, doing);
  std::unique_lock hold(question->mutex);
  if (!question->answered.wait_for(hold, limit, [&] { return question->status.has_value(); }))
    throw Error(Kind::Transient, doing + ": the name servers did not answer within " +
                                     std::to_string(limit.count() / 1000) + " s");
  if (*question->status != 0) throw Error(Kind::Transient, doing + ": " + ::gai_strerror(*question->status));
  return std::move(question->found);
}

}  // namespace bk::ssh
