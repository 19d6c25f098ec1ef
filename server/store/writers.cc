#include "server/store/writers.h"

#include "common/error/error.h"
#include "common/io/file.h"
#include "common/io/media.h"
#include "common/io/temporary.h"
#include "common/text/escape.h"
#include "common/text/number.h"

#include <fcntl.h>
#include <unistd.h>

#include <sstream>

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
  std::uint64_t count = 0;
  try {
    count = counted(folder) + 1;
  } catch (const Error& error) {
    if (!is_media_error(error)) throw;
    count = new_number();  // any other than it was
    remove_durably(folder + kCounter);
  }
  const Fd fd = open_file(folder + kCounter, O_WRONLY | O_CREAT | O_NOFOLLOW, 0600);
  const std::string text = std::to_string(count);
  check_sys(::pwrite(fd.get(), text.data(), text.size(), 0),
            [&] { return "writing " + quoted(folder + kCounter); });
}

// In a store with a key a pin tells nothing about the node either.
constexpr std::string_view kPin = "pin";

std::optional<ChunkId> parse_pin(const StoreId& store, const std::string& line) {
  std::optional<std::string> bytes = hex_decode(line);
  if (bytes && store.domain) bytes = store.domain->uncover(kPin, *bytes);
  return bytes ? Digest::from_hex(hex_encode(*bytes)) : std::nullopt;
}

}  // namespace

WriterRegistration::WriterRegistration(const Layout& layout, StoreId store) : store_(std::move(store)) {
  ensure_directory(layout.writers());
  const FileLock lock = WriterRoll(layout).close();
  // Who lists the living just then may take it for what a killed writer left.
  std::optional<Fd> owned;
  while (!owned) {
    path_ = layout.writers() + "/" + pack_name(new_number()).substr(0, 16) + std::string(kEnding);
    owned = try_create_owned(path_);
  }
  fd_ = *std::move(owned);
  count_up(layout.writers());
}

WriterRegistration::~WriterRegistration() { (void)::unlink(path_.c_str()); }

void WriterRegistration::pin(const ChunkId& node) {
  const std::string covered =
      store_.domain ? store_.domain->cover(kPin, node.view()) : std::string(node.view());
  write_all(fd_.get(), hex_encode(covered) + "\n");
}

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

std::vector<ChunkId> WriterRoll::pinned(const StoreId& store) const {
  std::vector<ChunkId> out;
  for (const std::string& name : living()) {
    std::istringstream lines(try_read_file(folder_ + "/" + name, kMaxPins).value_or(""));
    for (std::string line; std::getline(lines, line);) {
      // A line without its end is being written, and so not yet relied on.
      if (lines.eof()) break;
      const std::optional<ChunkId> node = parse_pin(store, line);
      if (!node) throw Error(Kind::Corrupt, quoted(folder_ + "/" + name) + " cannot be read");
      out.push_back(*node);
    }
  }
  return out;
}

}  // namespace bk::store
