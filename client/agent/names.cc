#include "client/agent/names.h"

#include <dirent.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace bk::agent {

namespace {

struct Dirent64 {  // the kernel's layout (getdents64(2))
  std::uint64_t inode;
  std::int64_t offset;
  std::uint16_t record_bytes;
  unsigned char type;
  char name[1];
};

}  // namespace

NameList::Name NameList::operator[](std::size_t i) const {
  const Item& item = items_[i];
  return {arena_.data() + item.offset, static_cast<std::uint16_t>(item.length),
          static_cast<unsigned char>(item.type)};
}

void NameList::append(std::string_view name, unsigned char type) {
  items_.push_back({arena_.size() & 0xffffffffffULL, name.size() & 0xffffU, type});
  arena_.append(name).push_back('\0');
}

int NameList::read(int directory) {
  static thread_local std::vector<char> buffer(128U << 10U);
  arena_.clear();
  items_.clear();
  if (lseek(directory, 0, SEEK_SET) != 0) return errno;
  for (;;) {
    const long got = syscall(SYS_getdents64, directory, buffer.data(), buffer.size());
    if (got < 0) return errno;
    if (got == 0) break;
    for (long at = 0; at < got;) {
      const auto* entry = reinterpret_cast<const Dirent64*>(buffer.data() + at);
      const std::string_view name(entry->name);
      if (name != "." && name != "..") append(name, entry->type);
      at += entry->record_bytes;
    }
  }
  std::sort(items_.begin(), items_.end(), [this](const Item& a, const Item& b) {
    return std::string_view(arena_.data() + a.offset, a.length) <
           std::string_view(arena_.data() + b.offset, b.length);
  });
  return 0;
}

void NameList::shrink() {
  NameList smaller;
  for (std::size_t i = 0; i < size(); ++i) smaller.append((*this)[i].view(), (*this)[i].type);
  *this = std::move(smaller);
}

}  // namespace bk::agent
