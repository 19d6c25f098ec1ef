#include "client/agent/names.h"

#include "common/error/error.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <vector>

namespace bk::agent {

namespace {

struct Dirent64 {  // the kernel's layout (getdents64(2))
  std::uint64_t inode;
  std::int64_t offset;
  std::uint16_t record_bytes;
  unsigned char type;
  char name[1];
};

bool is_dot(const char* name) {
  return name[0] == '.' && (name[1] == '\0' || (name[1] == '.' && name[2] == '\0'));
}

// For file systems that do not say it.
unsigned char type_of(int directory, const char* name) {
  struct stat facts {};
  if (fstatat(directory, name, &facts, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) != 0) return DT_REG;
  return static_cast<unsigned char>(IFTODT(facts.st_mode));
}

void add_name(Sorter& sorter, const NameList::Name& name) {
  std::array<char, 1024> record;  // NAME_MAX is 255 bytes, and a few file systems know more
  if (name.length + std::size_t{2} > record.size()) return;
  std::memcpy(record.data(), name.text, name.length + std::size_t{1});
  record[name.length + std::size_t{1}] = static_cast<char>(name.type);
  sorter.add({record.data(), name.length + std::size_t{2}});
}

}  // namespace

NameSpace::NameSpace(std::string directory, std::size_t memory_bytes)
    : file_(std::make_shared<SpillFile>(std::move(directory))),
      memory_bytes_(memory_bytes),
      sorter_(file_, memory_bytes, Sorter::WhenFull::KeepInMemory) {}

int NameList::read(int directory, NameSpace& space, const Keep& keep) {
  static thread_local std::vector<char> buffer(128U << 10U);
  if (lseek(directory, 0, SEEK_SET) != 0) return errno;
  int error = 0;
  for (;;) {
    const long got = syscall(SYS_getdents64, directory, buffer.data(), buffer.size());
    if (got < 0) error = errno;
    if (got <= 0) break;
    for (long at = 0; at < got;) {
      const auto* entry = reinterpret_cast<const Dirent64*>(buffer.data() + at);
      at += entry->record_bytes;
      if (is_dot(entry->name)) continue;
      Name name{entry->name, static_cast<std::uint16_t>(std::strlen(entry->name)), entry->type};
      if (name.type == DT_UNKNOWN) name.type = type_of(directory, name.text);
      if (!keep || keep(name)) add_name(space.sorter(), name);
    }
  }
  records_ = space.sorter().finish();
  return error;
}

std::optional<NameList::Name> NameList::next() {
  const auto record = records_.next();
  if (!record) return std::nullopt;
  return Name{record->data(), static_cast<std::uint16_t>(record->size() - 2),
              static_cast<unsigned char>(record->back())};
}

void NameList::spill(NameSpace& space) {
  try {
    records_.spill(space.file());
  } catch (const Error& error) {
    space.note(error.sys_errno());
  }
}

}  // namespace bk::agent
