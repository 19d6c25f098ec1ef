#include "server/pull/tree/held.h"

#include "common/error/error.h"

namespace bk::pull {

void Held::add(std::size_t more) {
  bytes += more;
  if (bytes > kMaxHeldBytes)
    throw Error(Kind::Protocol, "the agent leaves more unfinished than the protocol allows");
}

std::size_t weight_of(const Entry& entry) {
  std::size_t bytes = sizeof(Entry) + entry.name.size() + entry.target.size();
  for (const Xattr& attribute : entry.xattrs)
    bytes += sizeof(Xattr) + attribute.name.size() + attribute.value.size();
  return bytes;
}

}  // namespace bk::pull
