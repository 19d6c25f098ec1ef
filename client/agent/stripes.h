// Further lines of one pull (docs/protocol/pull.md, Stripes): each takes finished groups out of the outbox,
// the next one whenever it has room, so a slow one takes less.
//
// Until the server's Go a stripe that breaks, or never comes, is nobody's loss.  Behind it a stripe that
// breaks ends the pull as a broken line does.
#pragma once

#include "client/agent/outbox.h"
#include "client/agent/stripe_door.h"
#include "client/agent/tree_server.h"

#include <exception>
#include <functional>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace bk::agent {

class Stripes {
 public:
  // `wake` is readable when everything shall end at once; `fail` is told of a stripe that broke.  All outlive
  // this.
  Stripes(Outbox& outbox, int wake, const Deadlines& deadlines, std::function<void(std::exception_ptr)> fail);
  ~Stripes();
  // Lets `count` lines of this server join, each once and within deadlines.stripes.  Their tickets; none when
  // this machine does not let us.
  [[nodiscard]] std::vector<Digest> open(std::size_t count, const std::string& server);
  // After the outbox was closed: when it returns, each stripe has ended.
  void finish();

 private:
  void receive(const std::string& server);
  void carry(Arrival& stripe);
  [[nodiscard]] bool wait_for_go(int fd);
  [[nodiscard]] std::uint64_t send_groups(int fd);

  Outbox& outbox_;
  int wake_;
  Deadlines deadlines_;
  std::function<void(std::exception_ptr)> fail_;
  Fd closing_;  // an eventfd: readable when nobody else is let in
  std::optional<StripeDoor> door_;
  std::thread doorkeeper_;
  std::vector<std::thread> carriers_;  // the doorkeeper's until it has ended
};

}  // namespace bk::agent
