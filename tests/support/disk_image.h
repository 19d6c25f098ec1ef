// A small ext4 in a file, mounted through a loop device, that can be stopped as by a power cut.  Needs root.
#pragma once

#include <string>

namespace bk::test {

class DiskImage {
 public:
  // Makes, formats and mounts.  When this machine does not allow it: usable() is false and why() says it.
  DiskImage(const std::string& file, const std::string& mount_point, unsigned megabytes);
  ~DiskImage();
  DiskImage(const DiskImage&) = delete;
  DiskImage& operator=(const DiskImage&) = delete;

  [[nodiscard]] bool usable() const { return why_.empty(); }
  [[nodiscard]] const std::string& why() const { return why_; }
  [[nodiscard]] const std::string& path() const { return mount_point_; }

  // FS_IOC_SHUTDOWN without flushing the log, then a new mount: only what was synced is left.
  void power_cut();

 private:
  [[nodiscard]] bool mount();
  void unmount() const;

  std::string file_;
  std::string mount_point_;
  std::string why_;
};

}  // namespace bk::test
