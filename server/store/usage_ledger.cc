#include "server/store/usage_ledger.h"

#include "common/digest/sha256.h"
#include "common/error/error.h"
#include "common/io/file.h"
#include "server/store/layout.h"
#include "server/store/place_record.h"
#include "server/store/store.h"

#include <fcntl.h>
#include <sys/file.h>

#include <cerrno>

namespace bk::store {
namespace {

constexpr std::string_view kMagic = "BKusage1";
constexpr std::size_t kSumBytes = 8;
constexpr std::size_t kFileBytes = 48;

std::string sum_of(std::string_view bytes) {
  return std::string(Sha256::of(bytes).view().substr(0, kSumBytes));
}

}  // namespace

UsageLedger::UsageLedger(const std::string& possession_folder, const StoreId& store)
    : path_(possession_folder + "/" + std::string(kUsageFile)),
      prefix_(std::string(kMagic) + std::string(reinterpret_cast<const char*>(store.data()), store.size())) {}

Fd UsageLedger::open_locked(bool create) const {
  Fd fd;
  try {
    fd = open_file(path_, O_RDWR | O_NOFOLLOW | (create ? O_CREAT : 0), 0600);
  } catch (const Error& error) {
    if (!create && error.sys_errno() == ENOENT) return {};
    throw;
  }
  while (::flock(fd.get(), LOCK_EX) < 0)
    if (errno != EINTR) throw sys_error(errno, "locking " + path_);
  return fd;
}

std::optional<UsageLedger::State> UsageLedger::parse(std::string_view bytes) {
  if (bytes.size() != kFileBytes || !bytes.starts_with(kMagic)) return std::nullopt;
  const std::size_t summed = kFileBytes - kSumBytes;
  if (bytes.substr(summed) != sum_of(bytes.substr(0, summed))) return std::nullopt;
  return State{from_big_endian(bytes.substr(summed - 16, 8)), from_big_endian(bytes.substr(summed - 8, 8))};
}

std::optional<UsageLedger::State> UsageLedger::read(int fd) const {
  std::string bytes(kFileBytes, '\0');
  bytes.resize(pread_up_to(fd, bytes.data(), bytes.size(), 0));
  return bytes.starts_with(prefix_) ? parse(bytes) : std::nullopt;  // else of another store
}

void UsageLedger::write(int fd, const State& state) const {
  std::string bytes = prefix_ + big_endian(state.generation) + big_endian(state.bytes);
  pwrite_all(fd, bytes + sum_of(bytes), 0);
}

std::optional<UsageLedger::State> UsageLedger::read() const {
  const Fd fd = open_locked(false);
  return fd ? read(fd.get()) : std::nullopt;
}

std::optional<UsageLedger::State> UsageLedger::add(std::uint64_t bytes) {
  const Fd fd = open_locked(false);
  if (!fd) return std::nullopt;
  std::optional<State> state = read(fd.get());
  if (!state || bytes == 0) return state;
  state->bytes += bytes;
  write(fd.get(), *state);
  return state;
}

UsageLedger::State UsageLedger::count(std::uint64_t bytes, const std::optional<State>& then) {
  const Fd fd = open_locked(true);
  const std::optional<State> now = read(fd.get());
  State out{new_number(), bytes};
  if (now && then && now->generation == then->generation) out.bytes += now->bytes - then->bytes;
  write(fd.get(), out);
  sync_file(fd.get());
  sync_directory(parent_of(path_));
  return out;
}

void UsageLedger::sync() {
  if (const Fd fd = open_locked(false)) sync_file(fd.get());
}

std::optional<std::uint64_t> Store::usage(const std::string& directory, const std::string& client,
                                          const std::string& index) {
  const std::string folder = index.empty() ? default_index(directory) : index;
  const std::optional<std::string> bytes =
      try_read_file(folder + "/possession/" + client + "/" + std::string(kUsageFile), 4096);
  const std::optional<UsageLedger::State> state = bytes ? UsageLedger::parse(*bytes) : std::nullopt;
  return state ? std::optional(state->bytes) : std::nullopt;
}

}  // namespace bk::store
