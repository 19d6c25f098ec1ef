// What a server may ask its forced command for, and nothing else.  Pure.
#pragma once

#include "common/digest/sha256.h"

#include <optional>
#include <string>
#include <string_view>

namespace bk::agent {

struct AgentCommand {
  enum class Verb { Tree, Sftp, Git, Stripe } verb = Verb::Tree;
  std::string path;    // Git: clean, absolute
  Digest ticket = {};  // Stripe
};

// $SSH_ORIGINAL_COMMAND, matched in full, byte by byte:
//
//   backline tree
//   backline sftp
//   backline stripe <64 hex digits>
//   git-upload-pack '<path>'     the path quoted as git quotes: ' as '\'' and ! as '\!'
//
// Nothing for every other text, so also for a clean command with one byte more.
[[nodiscard]] std::optional<AgentCommand> parse_command(std::string_view text);

}  // namespace bk::agent
