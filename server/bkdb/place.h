// Where bkdb stands: which home, and what of it the current folder shows (DESIGN 7).
//
//   <home>, <home>/data                       all clients, all methods
//   <home>/data/<client>                      that client
//   <home>/data/<client>/<method>[/…]         that client and method
//
// The folder's spelling decides, not where symlinks lead: data/ may be a link to another disk.
#pragma once

#include "server/bkdb/sources.h"

#include <functional>
#include <optional>
#include <string>

namespace bk::bkdb {

struct Place {
  std::string home;
  std::string base_path;  // what `ls` prints: the folder itself when it lies in data/, else the home
  Filter filter;
};

// `folder` is absolute and clean.  `home` is --home when given; else the nearest folder upwards that is a
// home (holds backupconfig.toml or store/) counts, else what `fallback` says.
[[nodiscard]] Place find_place(const std::string& folder, const std::optional<std::string>& home,
                               const std::function<std::string()>& fallback);

// The current folder as the user spelled it: $PWD when it is right, else getcwd(3).
[[nodiscard]] std::string current_folder();

}  // namespace bk::bkdb
