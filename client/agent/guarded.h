// What a server may not read although it lies in a consented tree, unless [consent.SERVER] allow names it:
// private keys, known by the names that OpenSSH and GnuPG give them, and the kernel's own trees.  A server
// that was taken over must not find the keys to its clients' other hosts.  Pure.
#pragma once

#include <array>
#include <string_view>

namespace bk::agent {

// OpenSSH (ssh-keygen(1), sshd(8)): id_<type>, identity, ssh_host_<type>_key.  GnuPG: the folder
// private-keys-v1.d, and secring.gpg of older versions.
[[nodiscard]] bool is_private_key(std::string_view name);

inline constexpr std::array<std::string_view, 2> kKernelTrees{"/proc", "/sys"};

}  // namespace bk::agent
