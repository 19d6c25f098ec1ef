#include "tests/support/disk_image.h"

#include "common/error/error.h"
#include "common/io/file.h"
#include "common/process/process.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <chrono>
#include <thread>
#include <vector>

namespace bk::test {
namespace {

using namespace std::chrono_literals;

// linux/fs.h of Debian 12 has no name for it.
constexpr unsigned long kShutdown = _IOR('X', 125, unsigned);
constexpr unsigned kNoLogFlush = 2;

// Empty: it went well.
std::string run(const std::vector<std::string>& argv) {
  Command command;
  command.argv = argv;
  command.environment = base_environment("/");
  try {
    const Captured result = run_captured(command, 60s);
    return result.status == 0 ? "" : argv[0] + ": " + result.err.substr(0, 200);
  } catch (const Error& error) {
    return error.what();
  }
}

}  // namespace

DiskImage::DiskImage(const std::string& file, const std::string& mount_point, unsigned megabytes)
    : file_(file), mount_point_(mount_point) {
  if (::geteuid() != 0) {
    why_ = "mounting an image needs root";
    return;
  }
  {
    const Fd fd = open_file(file_, O_RDWR | O_CREAT, 0600);
    check_sys(::ftruncate(fd.get(), static_cast<off_t>(megabytes) << 20), [] { return "making an image"; });
  }
  ensure_directory(mount_point_);
  why_ = run({"mkfs.ext4", "-q", "-F", file_});
  if (why_.empty()) (void)mount();
}

DiskImage::~DiskImage() {
  if (usable()) unmount();
}

bool DiskImage::mount() {
  why_ = run({"mount", "-o", "loop", file_, mount_point_});
  return why_.empty();
}

// Somebody may hold it for a moment longer.
void DiskImage::unmount() const {
  for (int i = 0; i < 100; ++i) {
    if (run({"umount", mount_point_}).empty()) return;
    std::this_thread::sleep_for(50ms);
  }
  (void)run({"umount", "-l", mount_point_});
}

void DiskImage::power_cut() {
  {
    const Fd fd = open_directory(mount_point_);
    unsigned how = kNoLogFlush;
    check_sys(::ioctl(fd.get(), kShutdown, &how), [] { return "stopping the image"; });
  }
  unmount();
  if (!mount()) throw Error(Kind::Io, "mounting again after the power cut: " + why_);
}

}  // namespace bk::test
