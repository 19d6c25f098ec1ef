// What the kernel says of an entry, in the protocol's terms: stat, extended attributes, link targets.
#pragma once

#include "common/tree/entry.h"
#include "proto/pull/messages.h"

#include <sys/stat.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace bk::agent {

// Gives each file system of a walk a small number in the order in which it is met, so that a digest over
// device numbers survives a reboot.  Remembers which are not data (proc, sysfs …).
class Devices {
 public:
  struct Device {
    std::uint64_t ordinal = 0;
    bool pseudo = false;
  };
  // `fd` is something on the device; it is asked only when the device is new.
  [[nodiscard]] const Device& of_directory(dev_t device, int fd);
  [[nodiscard]] std::uint64_t ordinal(dev_t device);

 private:
  std::map<dev_t, Device> known_;
};

[[nodiscard]] pull::Stat to_stat(const struct stat& facts, std::uint64_t device);
// Type, stat, and device numbers; the name is left alone.  False for a type that is none of ours.
[[nodiscard]] bool fill_entry(Entry& entry, const struct stat& facts, std::uint64_t device);

struct XattrResult {
  std::vector<Xattr> xattrs;  // sorted by name
  int error = 0;              // errno of the first attribute that could not be read; the others are there
};
[[nodiscard]] XattrResult read_xattrs(int fd);
// Of an entry that is not opened (symlink, device …).
[[nodiscard]] XattrResult read_xattrs_at(int directory, const std::string& name);

// An empty string and errno on failure.
[[nodiscard]] std::string read_link_at(int directory, const std::string& name);

}  // namespace bk::agent
