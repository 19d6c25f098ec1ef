// What a key's holder may run: SSH_ORIGINAL_COMMAND read against an exact grammar.  Pure.
//
//   command  = verb blanks "'" *"/" name *("/" name) "'"
//   verb     = "git-upload-pack" | "git upload-pack" | "git-receive-pack" | "git receive-pack"
//   name     = [a-zA-Z0-9][a-zA-Z0-9@._-]*
//
// The rules, their order and their messages are gitosis's, so that old clients and scripts see the same.
#pragma once

#include "server/access/gitosis_conf.h"

#include <string>
#include <string_view>

namespace bk::server {

struct GitCommand {
  std::string verb;    // as the client wrote it: "git-upload-pack" or "git upload-pack" …
  bool write = false;  // receive-pack
  std::string path;    // without leading slashes; may end in ".git"
};

// Throws Refused with one of gitosis's messages.
[[nodiscard]] GitCommand parse_git_command(std::string_view command);

struct Passage {
  GitCommand command;
  Granted granted;
  std::string person;  // the user, decoded where decodeID says so
};
// The whole gate: grammar, then rights.  Throws Refused.
[[nodiscard]] Passage pass_gate(const GitosisConf& conf, std::string_view user, std::string_view command);

// "<prefix>/<path>.git".
[[nodiscard]] std::string repository_of(const Granted& granted);

}  // namespace bk::server
