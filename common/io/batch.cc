#include "common/io/batch.h"

#include "common/error/error.h"
#include "common/io/crash.h"
#include "common/io/file.h"
#include "common/text/escape.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <set>
#include <utility>

namespace bk {
namespace {

// Below this, one fsync per file is cheaper than syncfs, which also waits for everybody else's data.
constexpr std::size_t kFewFiles = 4;

}  // namespace

DurableBatch::DurableBatch(std::string staging) : staging_(std::move(staging)) {}

DurableBatch::~DurableBatch() {
  for (const File& file : files_) (void)::unlink(file.staged.c_str());
}

void DurableBatch::add(const std::string& staged_name, std::string_view bytes, const std::string& path,
                       bool replace) {
  const std::string staged = join_path(staging_, staged_name);
  Fd fd = open_file(staged, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0600);
  files_.push_back({staged, path, replace});
  write_all(fd.get(), bytes);
  fd.close();
}

void DurableBatch::sync() {
  if (files_.size() <= kFewFiles) {
    for (const File& file : files_) sync_file(open_file(file.staged, O_RDONLY).get());
    return;
  }
  const Fd dir = open_directory(staging_);
  check_sys(::syncfs(dir.get()), [&] { return "syncing the file system of " + quoted(staging_); });
}

void DurableBatch::publish(const char* step) {
  std::set<std::string> directories;
  const std::vector<File> files = std::exchange(files_, {});
  for (std::size_t i = 0; i < files.size(); ++i) {
    const File& file = files[i];
    const unsigned flags = file.replace ? 0U : static_cast<unsigned>(RENAME_NOREPLACE);
    if (::syscall(SYS_renameat2, AT_FDCWD, file.staged.c_str(), AT_FDCWD, file.path.c_str(), flags) < 0) {
      const int code = errno;
      files_.assign(files.begin() + static_cast<std::ptrdiff_t>(i), files.end());
      throw sys_error(code, "renaming " + quoted(file.staged) + " to " + quoted(file.path));
    }
    directories.insert(parent_of(file.path));
    crash_point(step);
  }
  for (const std::string& directory : directories) sync_directory(directory);
}

}  // namespace bk
