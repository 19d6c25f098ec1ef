#include "client/agent/consent.h"

#include "client/agent/guarded.h"
#include "client/request/spool_place.h"
#include "common/error/error.h"
#include "common/io/file.h"
#include "common/text/escape.h"

#include <algorithm>

namespace bk::agent {
namespace {

using client::ClientConfig;
using client::ConsentConfig;
using client::Queued;
using client::Step;

// A path as a pattern that matches only itself (tree_server.h).
std::string literal_pattern(std::string_view below) {
  std::string out = "/";
  for (const char c : below) {
    if (c == '*' || c == '?' || c == '\\' || c == '[') out += '\\';
    out += c;
  }
  return out;
}

// What follows `top` in a path that lies in it; empty for `top` itself.
std::string_view below(std::string_view path, std::string_view top) {
  return path.substr(path == top ? path.size() : top == "/" ? 1 : top.size() + 1);
}

TreeRoot root_at(const std::string& path, const Consent& consent) {
  TreeRoot out;
  out.path = path;
  out.guard_keys = true;
  const auto deny = [&](std::string_view denied) {
    if (denied != path && lies_in(denied, path)) out.deny.push_back(literal_pattern(below(denied, path)));
  };
  for (const std::string& denied : consent.deny) deny(denied);
  for (const std::string_view tree : kKernelTrees) {
    if (std::find(consent.allow.begin(), consent.allow.end(), tree) == consent.allow.end()) deny(tree);
  }
  for (const std::string& named : consent.allow) {
    if (lies_in(path, named)) {
      out.named = {""};
      break;
    }
    if (lies_in(named, path)) out.named.emplace_back(below(named, path));
  }
  return out;
}

void add_root(Consent& consent, TreeRoot root) {
  if (is_denied(consent, root.path)) return;
  const bool known = std::any_of(consent.roots.begin(), consent.roots.end(),
                                 [&](const TreeRoot& other) { return other.path == root.path; });
  if (!known) consent.roots.push_back(std::move(root));
}

void add_queued(Consent& consent, const ClientConfig& config, const Queued& item) {
  if (item.step != Step::Prepared && item.step != Step::Sent && item.step != Step::Taken) return;
  const std::string& place = item.request.place;
  if (item.request.method == "git") {
    consent.repositories.push_back(place);
  } else if (item.request.method == "sftp") {
    if (!is_denied(consent, place)) consent.archives.push_back(place);
  } else if (item.request.method == "rsync") {
    TreeRoot root = root_at(place, consent);
    const auto module = config.modules.find(item.request.module);
    if (lies_in(place, client::spool_root(config.home))) {
      // What a cmd put there is there to be pulled as a whole: a table that is called like a key, too.
      root.guard_keys = false;
    } else if (module != config.modules.end()) {
      const client::PathConfig& options = module->second.options_of(item.request.name);
      root.exclude = options.exclude;
      root.exclude_if_present = options.exclude_if_present;
      root.exclude_caches = options.exclude_caches;
      root.one_file_system = options.one_fs;
      if (options.max_file_bytes != 0) root.max_file_bytes = options.max_file_bytes;
    }
    add_root(consent, std::move(root));
  }
}

}  // namespace

bool lies_in(std::string_view path, std::string_view top) {
  if (top == "/") return path.starts_with('/');
  return path == top || (path.size() > top.size() && path.starts_with(top) && path[top.size()] == '/');
}

bool is_denied(const Consent& consent, std::string_view path) {
  return std::any_of(consent.deny.begin(), consent.deny.end(),
                     [&](const std::string& denied) { return lies_in(path, denied); });
}

bool may_read_repository(const Consent& consent, std::string_view path) {
  if (is_denied(consent, path)) return false;
  // A rule that hides a part of a repository hides the whole: git cannot serve a part.
  for (const std::string& denied : consent.deny) {
    if (lies_in(denied, path)) return false;
  }
  const auto& exact = consent.repositories;
  if (std::find(exact.begin(), exact.end(), path) != exact.end()) return true;
  return std::any_of(consent.repository_folders.begin(), consent.repository_folders.end(),
                     [&](const std::string& folder) { return lies_in(path, folder); });
}

Consent make_consent(const ClientConfig& config, const std::string& server,
                     const std::vector<Queued>& queued) {
  Consent out;
  out.server = server;
  out.home = config.home;
  out.temporary = join_path(config.home, "tmp");
  const auto at = config.consents.find(server);
  const ConsentConfig extra = at != config.consents.end() ? at->second : ConsentConfig{};
  out.deny = extra.deny;
  out.allow = extra.allow;
  out.unconfined = extra.unconfined;
  for (const Queued& item : queued) add_queued(out, config, item);
  for (const std::string& path : extra.roots) add_root(out, root_at(path, out));
  out.repository_folders = extra.repositories;
  for (const std::string& path : extra.spool) {
    if (!is_denied(out, path)) out.archives.push_back(path);
  }
  return out;
}

Consent read_consent(const ClientConfig& config, const std::string& server) {
  std::vector<Queued> queued;
  const std::string directory = join_path(config.home, "requests/" + server);
  // Read without the queue's own class: nothing on the data line makes folders or locks.
  if (path_exists(directory)) {
    for (const std::string& name : list_directory(directory)) {
      if (!name.starts_with('P') || !proto::parse_state_name(name)) continue;
      try {
        const std::optional<std::string> text = try_read_file(join_path(directory, name), 4U << 20U);
        if (text) queued.push_back(client::parse_queued(*text));
      } catch (const Error& error) {
        if (error.kind() != Kind::Protocol) throw;
      }
    }
  }
  return make_consent(config, server, queued);
}

std::string describe(const Consent& consent) {
  std::string out;
  for (const TreeRoot& root : consent.roots) {
    out += "rsync " + quoted(root.path) + "\n";
    for (const std::string& pattern : root.exclude) out += "  leaves out " + quoted(pattern) + "\n";
    for (const std::string& name : root.exclude_if_present)
      out += "  leaves out what lies beside " + quoted(name) + "\n";
    if (root.exclude_caches) out += "  leaves out what lies beside a CACHEDIR.TAG\n";
    if (root.max_file_bytes != UINT64_MAX)
      out += "  lists as skipped files above " + std::to_string(root.max_file_bytes) + " bytes\n";
    if (root.guard_keys) {
      out += "  lists as skipped private keys (id_ed25519, ssh_host_rsa_key, private-keys-v1.d …)";
      for (const std::string& path : root.named)
        out += (&path == &root.named.front() ? " but in " : ", ") + quoted(join_path(root.path, path));
      out += "\n";
    }
    for (const std::string& pattern : root.deny) out += "  lists as skipped " + quoted(pattern) + "\n";
  }
  for (const std::string& path : consent.repositories) {
    if (may_read_repository(consent, path)) out += "git " + quoted(path) + "\n";
  }
  for (const std::string& path : consent.repository_folders) out += "git at or below " + quoted(path) + "\n";
  for (const std::string& path : consent.archives) out += "sftp " + quoted(path) + "\n";
  for (const std::string& path : consent.deny) out += "never " + quoted(path) + "\n";
  if (out.empty()) out = "nothing\n";
  return out;
}

}  // namespace bk::agent
