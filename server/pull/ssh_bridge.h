// The SSH program that stock git calls for us (GIT_SSH=bk_ssh): our session with the pinned key in place of
// OpenSSH.
//
// What to connect to and what to run comes through an inherited descriptor and never from the command line,
// so nothing that git derives from an URL can choose host, options or command (A3).
#pragma once

#include "common/error/error.h"
#include "common/io/fd.h"
#include "common/ssh/ssh.h"

#include <string>
#include <string_view>
#include <vector>

namespace bk::pull {

struct BridgeOrder {
  ssh::Endpoint endpoint;
  std::string command;                    // what the far side is asked to run
  std::uint64_t most_bytes = UINT64_MAX;  // that it may send; more: Refused
};
// Text "bk-bridge 1" (common/text/document.h).
[[nodiscard]] std::string write_order(const BridgeOrder& order);
[[nodiscard]] BridgeOrder parse_order(std::string_view text);  // throws Protocol

// The git side: two memory files that the child inherits.
class BridgeFiles {
 public:
  explicit BridgeFiles(const BridgeOrder& order);
  // Variables for the child's environment; the descriptors must lose close-on-exec in the child: share().
  [[nodiscard]] std::vector<std::string> environment() const;
  [[nodiscard]] int share() const noexcept;  // for Command::before_exec; async-signal-safe
  // The error that bk_ssh ended with, when it left one.
  [[nodiscard]] std::optional<Error> failure() const;

 private:
  Fd order_, report_;
};

// The bk_ssh side: reads the order, connects, carries bytes both ways until the far side ends.  Returns the
// far side's exit status; leaves the reason of a failure in the report.
int run_bridge();

}  // namespace bk::pull
