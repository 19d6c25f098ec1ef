// What the files of this folder share.
#pragma once

#include "common/ssh/ssh.h"
#include "common/tree/entry.h"

#include <string>

namespace bk::pull {

inline constexpr const char* kElsewhere = "unreadable:ELOOP";  // a symlink on the way

inline void set_facts(Entry& entry, const ssh::Sftp::Facts& facts) {
  entry.mode = facts.mode.value_or(0) & 07777;
  entry.uid = facts.uid;
  entry.gid = facts.gid;
  entry.mtime = {facts.mtime, 0};
}

inline std::string joined(const std::string& directory, const std::string& name) {
  return directory.empty() || directory.ends_with('/') ? directory + name : directory + "/" + name;
}

}  // namespace bk::pull
