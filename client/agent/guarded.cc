#include "client/agent/guarded.h"

#include <algorithm>

namespace bk::agent {
namespace {

constexpr std::array<std::string_view, 6> kUserKeys{"id_dsa",     "id_ecdsa",      "id_ecdsa_sk",
                                                    "id_ed25519", "id_ed25519_sk", "id_rsa"};
constexpr std::array<std::string_view, 4> kHostKeys{"ssh_host_dsa_key", "ssh_host_ecdsa_key",
                                                    "ssh_host_ed25519_key", "ssh_host_rsa_key"};
constexpr std::array<std::string_view, 3> kOthers{"identity", "private-keys-v1.d", "secring.gpg"};

bool is_one_of(const auto& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

}  // namespace

// Asked for every entry of a tree: most end at the first comparison.
bool is_private_key(std::string_view name) {
  if (name.starts_with("id_")) return is_one_of(kUserKeys, name);
  if (name.starts_with("ssh_host_")) return is_one_of(kHostKeys, name);
  return is_one_of(kOthers, name);
}

}  // namespace bk::agent
