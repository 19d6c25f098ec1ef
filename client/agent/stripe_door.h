// Where a further line of a pull finds the agent that serves it: another process of ours, started by sshd for
// a session of its own, hands over its standard input and output.
//
// The door is a socket without a name in the file system (abstract, Linux), so nothing stays behind when the
// agent dies.  Both ends ask the kernel for the other's user, who must be their own.  A ticket is 32 bytes:
// 16 that name the door and 16 that open it, both random.
#pragma once

#include "common/digest/sha256.h"
#include "common/io/fd.h"

#include <chrono>
#include <optional>
#include <string>
#include <vector>

namespace bk::agent {

// Somebody at the door, of our own user; whether to let them in is the owner's business.
struct Arrival {
  Digest ticket;
  std::string server;  // whose key brought them, as their own forced command says
  Fd in, out;          // the session's
  Fd caller;           // for admit(), dismiss()
};

class StripeDoor {
 public:
  explicit StripeDoor(std::size_t tickets);  // throws Io
  [[nodiscard]] const std::vector<Digest>& tickets() const { return tickets_; }
  // The next one who said what is to be said; nothing when `wake` became readable or `limit` is over.
  [[nodiscard]] std::optional<Arrival> next(int wake, std::chrono::milliseconds limit);

 private:
  Fd listener_;
  std::vector<Digest> tickets_;
};

// What the process at the door hears: that it was let in, and that its stripe came to its right end.
void admit(const Arrival& arrival);
void dismiss(const Arrival& arrival);

// The other side: hands both descriptors over, closes them (the line's end is the agent's to make), and
// returns when the stripe has come to its right end.  Throws Refused when nobody waits for this ticket, and
// Transient when the stripe broke off.
void join_stripe(const Digest& ticket, const std::string& server, int in_fd, int out_fd);

}  // namespace bk::agent
