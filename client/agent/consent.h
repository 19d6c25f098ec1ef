// What one server may read on this client: what is queued to it, by the method it is queued for, and what
// [consent.SERVER] adds or takes away.
#pragma once

#include "client/agent/tree_server.h"
#include "client/config/config.h"
#include "client/request/queued.h"

#include <string>
#include <string_view>
#include <vector>

namespace bk::agent {

struct Consent {
  std::string server;
  TreeRoots roots;                              // method rsync
  std::vector<std::string> repositories;        // method git: exactly these folders of git's files
  std::vector<std::string> repository_folders;  // … and every repository at or below these
  std::vector<std::string> archives;            // method sftp: these files or folders
  std::vector<std::string> deny;
  std::vector<std::string> allow;  // what is guarded (guarded.h) and named all the same
  bool unconfined = false;
  std::string home;       // of this client
  std::string temporary;  // a folder for what does not fit into memory
};

// `queued` are the requests in progress for this server; those whose data is ready count.  Pure.
[[nodiscard]] Consent make_consent(const client::ClientConfig& config, const std::string& server,
                                   const std::vector<client::Queued>& queued);
// As above with what stands in <home>/requests/<server>/ now; damaged files consent to nothing.
[[nodiscard]] Consent read_consent(const client::ClientConfig& config, const std::string& server);

// True when `path` is `top` or lies below it.  By bytes of clean paths.
[[nodiscard]] bool lies_in(std::string_view path, std::string_view top);
// True when a deny rule covers the path itself.
[[nodiscard]] bool is_denied(const Consent& consent, std::string_view path);
[[nodiscard]] bool may_read_repository(const Consent& consent, std::string_view path);

// For --show-consent: one line per thing.
[[nodiscard]] std::string describe(const Consent& consent);

}  // namespace bk::agent
