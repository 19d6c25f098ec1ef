// Serves one consented directory tree to the server, over two descriptors (docs/protocol/pull.md).
//
// Everything is opened by descriptor beneath the root, never through a symlink and never by a path that the
// server names; nothing is written.  Memory is bounded by constants (about 25 MiB) whatever the tree holds.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace bk::agent {

// One directory that this server may pull by the tree method.
struct TreeRoot {
  std::string path;                  // absolute and clean (clean_absolute); no component may be a symlink
  std::vector<std::string> exclude;  // patterns; what they match is left out without a word
  std::vector<std::string> deny;     // patterns; what they match is left out and listed as skipped
  bool guard_keys = false;           // private keys are denied, too (guarded.h) …
  std::vector<std::string> named;  // … but at or below these paths (below the root; "" is the root itself)
  std::vector<std::string> exclude_if_present;  // names; a directory that has one keeps only that entry
  bool exclude_caches = false;                  // the same for CACHEDIR.TAG, when it has its signature
  bool one_file_system = false;               // a directory where another file system is mounted stays empty
  std::uint64_t max_file_bytes = UINT64_MAX;  // longer files are left out and listed as skipped
};
// A pattern without '/' is matched against each name; one with '/' against the path below the root (a leading
// '/' is dropped); one that ends in '/' matches directories only.  '*', '?' and "[a-z]" do not match '/',
// "**" does.  A matched directory is not entered.

using TreeRoots = std::vector<TreeRoot>;

struct Deadlines {
  std::chrono::milliseconds peer{std::chrono::minutes(10)};       // waiting for an answer of the server
  std::chrono::milliseconds silence{std::chrono::minutes(1)};     // of a server that has promised Heartbeats
  std::chrono::milliseconds write{std::chrono::minutes(10)};      // waiting for room in the line
  std::chrono::milliseconds keepalive{std::chrono::seconds(10)};  // an idle line gets a sign of life
  std::chrono::milliseconds stripes{std::chrono::seconds(30)};    // further lines may join this long
};

struct ServeResult {
  std::string root;  // what was asked for
  std::uint64_t files = 0, directories = 0, read_files = 0, read_bytes = 0, skipped = 0;
  int spill_error = 0;  // why more names than planned were held in memory; 0: they were not
};

// For whoever wants to know how far it is.
struct ServeHooks {
  std::function<void(const std::string& root)> begins = [](const std::string&) {};     // it is consented to
  std::function<void(const ServeResult& so_far)> at_work = [](const ServeResult&) {};  // often
};

// Reads frames from `in_fd`, writes frames to `out_fd` (both stay open), until the pull is finished.  Throws
// Refused (root not consented; the server was told), Protocol (the server broke the protocol), Transient
// (line cut, deadline), Io.  Returning means that everything was handed to the kernel: exit with status 0
// only then.
//
// `temporary` is a folder where an unnamed file may be made, for directories with very many names.  When that
// is not possible the names stay in memory (ServeResult::spill_error).  `server` is who this is: its further
// lines may join (stripe_door.h); empty: none may.
ServeResult serve_tree(const TreeRoots& consented, int in_fd, int out_fd, const Deadlines& deadlines = {},
                       const std::string& temporary = "/tmp", const ServeHooks& hooks = {},
                       const std::string& server = {});

}  // namespace bk::agent
