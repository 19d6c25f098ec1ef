#include "common/tree/entry.h"

#include <sys/stat.h>

#include <string_view>

namespace bk {

bool is_entry_type(unsigned char byte) {
  return std::string_view("fdlpcbs").find(static_cast<char>(byte)) != std::string_view::npos;
}

std::optional<EntryType> entry_type(std::uint32_t mode) {
  switch (mode & S_IFMT) {
    case S_IFREG:
      return EntryType::File;
    case S_IFDIR:
      return EntryType::Directory;
    case S_IFLNK:
      return EntryType::Symlink;
    case S_IFIFO:
      return EntryType::Fifo;
    case S_IFCHR:
      return EntryType::CharDevice;
    case S_IFBLK:
      return EntryType::BlockDevice;
    case S_IFSOCK:
      return EntryType::Socket;
    default:
      return std::nullopt;
  }
}

}  // namespace bk
