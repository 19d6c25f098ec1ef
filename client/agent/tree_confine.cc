#include "client/agent/tree_confine.h"

#include "client/agent/confine.h"
#include "common/digest/sha256.h"
#include "common/error/error.h"
#include "common/io/file.h"
#include "common/seccomp/seccomp.h"

#include <sys/socket.h>

namespace bk::agent {
namespace {

void allow_root(Confinement& confinement, const std::string& path) {
  try {
    confinement.allow_reading(path);
  } catch (const Error& error) {
    // Not there, a symlink on the way, no right: when the server asks for it, it is told why.
    if (error.kind() != Kind::Io) throw;
  }
}

}  // namespace

bool confine_tree(const Consent& consent, const std::string& temporary) {
  (void)Sha256::of({});  // OpenSSL reads its configuration when it is used first
  // Starts nothing; further lines join through a local socket.
  check_sys(CallFilter({Programs::None, {AF_UNIX}}).enter(), [] { return "giving up system calls"; });
  if (landlock_version() == 0) return false;
  Confinement confinement;
  for (const TreeRoot& root : consent.roots) allow_root(confinement, root.path);
  confinement.allow_writing(join_path(consent.home, "log"));
  confinement.allow_writing(temporary);
  check_sys(confinement.enter(), [] { return "confining this process with Landlock"; });
  return true;
}

}  // namespace bk::agent
