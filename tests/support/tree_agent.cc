// The serving side of the tree protocol as a process of its own, for tests: serves the given roots on stdin
// and stdout.   tree_agent [--exclude PATTERN | --deny PATTERN | --guard-keys | --named PATH | --one-fs |
// --exclude-caches |
// --exclude-if-present NAME | --max-file-size N | --as-nobody | --keepalive-ms N |
// --silence-ms N | --server NAME | --stripes-ms N]
// ROOT...
// With --server further lines may join; as a forced command it joins one itself when it is asked for that,
// and so does tree_agent --server NAME --join TICKET.
#include "client/agent/stripe_door.h"
#include "client/agent/tree_server.h"
#include "common/error/error.h"

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>

int main(int argc, char** argv) {
  bk::agent::TreeRoots roots;
  bk::agent::TreeRoot rules;
  bk::agent::Deadlines deadlines;
  std::string server, ticket;
  const char* asked = std::getenv("SSH_ORIGINAL_COMMAND");
  if (const std::string command = asked != nullptr ? asked : ""; command.starts_with("backline stripe "))
    ticket = command.substr(16);
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    if (argument == "--exclude") {
      rules.exclude.emplace_back(argv[++i]);
    } else if (argument == "--guard-keys") {
      rules.guard_keys = true;
    } else if (argument == "--named") {
      rules.named.emplace_back(argv[++i]);
    } else if (argument == "--deny") {
      rules.deny.emplace_back(argv[++i]);
    } else if (argument == "--exclude-if-present") {
      rules.exclude_if_present.emplace_back(argv[++i]);
    } else if (argument == "--exclude-caches") {
      rules.exclude_caches = true;
    } else if (argument == "--max-file-size") {
      rules.max_file_bytes = std::stoull(argv[++i]);
    } else if (argument == "--one-fs") {
      rules.one_file_system = true;
    } else if (argument == "--as-nobody") {
      if (setgid(65534) != 0 || setuid(65534) != 0) return bk::kExitIo;
    } else if (argument == "--keepalive-ms") {
      deadlines.keepalive = std::chrono::milliseconds(std::stoi(argv[++i]));
    } else if (argument == "--silence-ms") {
      deadlines.silence = std::chrono::milliseconds(std::stoi(argv[++i]));
    } else if (argument == "--stripes-ms") {
      deadlines.stripes = std::chrono::milliseconds(std::stoi(argv[++i]));
    } else if (argument == "--server") {
      server = argv[++i];
    } else if (argument == "--join") {
      ticket = argv[++i];
    } else {
      rules.path = argument;
      roots.push_back(rules);
    }
  }
  try {
    if (const auto digest = bk::Digest::from_hex(ticket)) {
      bk::agent::join_stripe(*digest, server, STDIN_FILENO, STDOUT_FILENO);
    } else {
      (void)bk::agent::serve_tree(roots, STDIN_FILENO, STDOUT_FILENO, deadlines, "/tmp", {}, server);
    }
    return bk::kExitDone;
  } catch (const bk::Error& error) {
    (void)std::fprintf(stderr, "tree_agent: %s\n", error.what());
    return bk::exit_status(error.kind());
  }
}
