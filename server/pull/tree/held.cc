#include "server/pull/tree/held.h"

#include "common/error/error.h"

namespace bk::pull {

void Held::add(std::size_t more) {
  bytes += more;
  if (bytes > kMaxHeldBytes)
    throw Error(Kind::Protocol, "the agent leaves more unfinished than the protocol allows");
}

std::string path_of(const HeldDirectory& directory, std::string_view name) {
  std::vector<std::string_view> parts{name};
  for (const HeldDirectory* at = &directory; at->parent != nullptr; at = at->parent)
    parts.push_back(at->name);
  std::string path;
  for (auto part = parts.rbegin(); part != parts.rend(); ++part) {
    if (!path.empty()) path += '/';
    path += *part;
  }
  return path;
}

std::size_t weight_of(const Entry& entry) {
  std::size_t bytes = sizeof(Entry) + entry.name.size() + entry.target.size();
  for (const Xattr& attribute : entry.xattrs)
    bytes += sizeof(Xattr) + attribute.name.size() + attribute.value.size();
  return bytes;
}

}  // namespace bk::pull
