// Stock git on a mirror that we made, with everything closed that a hostile repository could reach (A3, A4):
// no shell, no system or user configuration, no hooks, no transport but ours, no lazy fetch, no replacements.
#pragma once

#include "common/process/process.h"
#include "server/pull/ssh_bridge.h"

#include <chrono>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace bk::pull {

class GitCommand {
 public:
  // `alive` is called about every second while git works, from another thread.
  GitCommand(std::string mirror, std::chrono::milliseconds deadline, std::function<void()> alive);

  // Any exit status; throws Cancelled when the deadline passes.
  [[nodiscard]] Captured run(const std::vector<std::string>& arguments, std::string_view input = {}) const;
  // Standard output; another status than 0 throws Corrupt with what git said: the mirror is not whole.
  std::string check(const std::vector<std::string>& arguments, std::string_view input = {}) const;
  // With the line to the client open: failures are those that bk_ssh reports, else Protocol.
  std::string remote(const std::vector<std::string>& arguments, const BridgeOrder& order,
                     const std::string& programs) const;
  // Makes the bare mirror, without template.
  void init() const;

  // Where `remote` fetches from; the name means nothing, bk_ssh knows where to go.
  static constexpr const char* kUrl = "ssh://client/repository";

 private:
  [[nodiscard]] Command command(const std::vector<std::string>& arguments) const;
  [[nodiscard]] Captured run_command(Command command, std::string_view input) const;
  std::string mirror_;
  std::chrono::steady_clock::time_point end_;
  std::function<void()> alive_;
};

}  // namespace bk::pull
