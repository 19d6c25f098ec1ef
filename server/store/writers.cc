#include "server/store/writers.h"

#include "common/error/error.h"
#include "common/io/file.h"
#include "common/text/escape.h"
#include "common/text/number.h"

#include <fcntl.h>
#include <unistd.h>

namespace bk::store {
namespace {

constexpr const char* kCounter = "/count";
constexpr std::string_view kEnding = ".writer";
constexpr std::uint64_t kMaxPins = 16U << 20U;  // bytes

std::uint64_t counted(const std::string& folder) {
  const std::optional<std::string> text = try_read_file(folder + kCounter, 64);
  return text ? parse_int<std::uint64_t>(*text).value_or(0) : 0;
}

// Not durable: after a crash of the machine no writer lives.
void count_up(const std::string& folder) {
  const Fd fd = open_file(folder + kCounter, O_WRONLY | O_CREAT | O_NOFOLLOW, 0600);
  const std::string text = std::to_string(counted(folder) + 1);
  check_sys(::pwrite(fd.get(), text.data(), text.size(), 0),
            [&] { return "writing " + quoted(folder + kCounter); });
}

}  // namespace

WriterRegistration::WriterRegistration(const Layout& layout) {
  ensure_directory(layout.writers());
  const FileLock lock = WriterRoll(layout).close();
  path_ = layout.writers() + "/" + pack_name(new_number()).substr(0, 16) + std::string(kEnding);
  fd_ = open_file(path_, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
  BK_CHECK(try_lock_descriptor(fd_.get()));
  count_up(layout.writers());
}

WriterRegistration::~WriterRegistration() { (void)::unlink(path_.c_str()); }

void WriterRegistration::pin(const ChunkId& node) { write_all(fd_.get(), node.hex() + "\n"); }

FileLock WriterRoll::close() const { return FileLock::exclusive(folder_ + "/roll"); }

std::uint64_t WriterRoll::registrations() const { return is_directory(folder_) ? counted(folder_) : 0; }

std::vector<std::string> WriterRoll::living() const {
  std::vector<std::string> out;
  if (!is_directory(folder_)) return out;
  for (const std::string& name : list_directory(folder_)) {
    if (!name.ends_with(kEnding)) continue;
    const std::string path = folder_ + "/" + name;
    Fd fd;
    try {
      fd = open_file(path, O_RDWR | O_NOFOLLOW);
    } catch (const Error& error) {
      if (error.sys_errno() == ENOENT) continue;  // ended just now
      throw;
    }
    if (try_lock_descriptor(fd.get()))
      (void)::unlink(path.c_str());
    else
      out.push_back(name);
  }
  return out;
}

std::vector<ChunkId> WriterRoll::pinned() const {
  std::vector<ChunkId> out;
  for (const std::string& name : living()) {
    const std::optional<std::string> text = try_read_file(folder_ + "/" + name, kMaxPins);
    for (std::size_t at = 0; text && at + 65 <= text->size(); at += 65) {
      const std::optional<Digest> id = Digest::from_hex(std::string_view(*text).substr(at, 64));
      if (!id) throw Error(Kind::Corrupt, quoted(folder_ + "/" + name) + " cannot be read");
      out.push_back(*id);
    }
  }
  return out;
}

}  // namespace bk::store
