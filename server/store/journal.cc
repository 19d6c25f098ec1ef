#include "server/store/journal.h"

#include "common/error/error.h"
#include "common/io/crash.h"
#include "common/io/file.h"
#include "common/io/lock.h"
#include "common/io/temporary.h"
#include "common/storage/folder_storage.h"
#include "common/text/escape.h"
#include "server/store/bad_sectors.h"
#include "server/store/heal.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

namespace bk::store {
namespace {

constexpr std::size_t kBulkPayload = 64U << 10U;

// False when the name is gone or leads to another file by now.
bool still_named(int fd, const std::string& path) {
  struct stat open_one {
  }, named{};
  check_sys(::fstat(fd, &open_one), [&] { return "looking at " + quoted(path); });
  if (::lstat(path.c_str(), &named) != 0) return false;
  return open_one.st_dev == named.st_dev && open_one.st_ino == named.st_ino;
}

// Only for a file that this process owns by lock.
void cut(int fd, std::uint64_t size, const std::string& path) {
  check_sys(::ftruncate(fd, static_cast<off_t>(size)),
            [&] { return "cutting the torn end of " + quoted(path); });
  check_sys(::lseek(fd, static_cast<off_t>(size), SEEK_SET), [&] { return "seeking in " + quoted(path); });
}

// After a sync that failed the kernel takes the lost pages for written ones: a later sync succeeds without
// them, and they are gone when memory is.  So what no mark vouches for is made dirty again by its own bytes.
void write_again(int fd, std::uint64_t from, const std::string& path) {
  std::string piece(1U << 20U, '\0');
  check_sys(::lseek(fd, static_cast<off_t>(from), SEEK_SET), [&] { return "seeking in " + quoted(path); });
  for (;;) {
    const std::size_t got = pread_up_to(fd, piece.data(), piece.size(), from);
    if (got == 0) return;
    write_all(fd, std::string_view(piece).substr(0, got));
    from += got;
  }
}

// Whether the first `bytes` bytes of both are the same.
bool same_front(ObjectReader& a, ObjectReader& b, std::uint64_t bytes) {
  constexpr std::uint64_t kPiece = 1U << 20U;
  if (a.size() < bytes || b.size() < bytes) return false;
  for (std::uint64_t at = 0; at < bytes; at += kPiece) {
    const std::size_t piece = std::min(kPiece, bytes - at);
    if (read_exactly(a, at, piece) != read_exactly(b, at, piece)) return false;
  }
  return true;
}

std::optional<Fd> try_open(const std::string& path) {
  try {
    return open_file(path, O_RDWR | O_NOFOLLOW);
  } catch (const Error& error) {
    if (error.sys_errno() == ENOENT || is_media_error(error)) return std::nullopt;
    throw;
  }
}

}  // namespace

Journal Journal::acquire(const Layout& layout, const StoreId& store, const Retire& retire) {
  (void)remove_abandoned_in(layout.journals());  // of a heal that was killed
  for (const std::uint64_t number : list_packs(layout.journals())) {
    if (std::optional<Journal> taken = try_take(layout, {store, number}, retire)) return *std::move(taken);
  }
  return create(layout, store);
}

std::optional<Fd> Journal::try_own(const std::string& path) {
  std::optional<Fd> fd = try_open(path);
  if (fd && (!try_lock_descriptor(fd->get()) || !still_named(fd->get(), path))) fd.reset();
  return fd;
}

std::optional<Journal> Journal::try_take(const Layout& layout, const PackRef& pack, const Retire& retire) {
  std::optional<Fd> fd = try_own(layout.journal(pack.number));
  if (!fd) return std::nullopt;
  Journal journal(layout, pack, *std::move(fd));
  if (const auto double_of = layout.storage->open(Layout::pack_object(pack.number))) {
    journal.drop_double(*double_of);
    return std::nullopt;
  }
  if (!journal.salvage(retire)) return std::nullopt;
  if (journal.full()) {
    journal.finish(retire);
    return std::nullopt;
  }
  return journal;
}

bool Journal::seal(const Layout& layout, const PackRef& pack, const Retire& retire) {
  std::optional<Journal> taken = try_take(layout, pack, retire);
  if (taken && taken->groups_ > 0) taken->finish(retire);
  return layout.storage->exists(Layout::pack_object(pack.number));
}

void Journal::set_aside(const Layout& layout, const PackRef& pack, Fd owned, const Retire& retire) {
  Journal journal(layout, pack, std::move(owned));
  sync_file(journal.fd_.get());
  journal.move_to_packs(retire, false);
}

Journal Journal::create(const Layout& layout, const StoreId& store) {
  for (;;) {
    const PackRef pack{store, new_number()};
    // It is owned before it has its name: who finds it unowned appends to it.
    const std::string made =
        layout.journals() + "/" + std::string(kTemporaryPrefix) + pack_name(new_number()).substr(0, 16);
    std::optional<Fd> fd = try_create_owned(made);
    if (!fd) continue;
    Journal journal(layout, pack, *std::move(fd));
    write_all(journal.fd_.get(), write_pack_header(pack));
    journal.end_ = kPackHeaderBytes;
    if (!rename_noreplace_durably(made, layout.journal(pack.number))) {
      (void)::unlink(made.c_str());
      continue;
    }
    crash_point("store.journal-made");
    return journal;
  }
}

void Journal::account(const RecordHead& head, std::string_view digest) {
  if (head.type == RecordType::Group) ++groups_;
  digests_.update(digest);
}

// What stands behind the last whole record was being written when the copy was taken.
void Journal::drop_double(ObjectReader& pack) {
  DescriptorReader file(fd_.get());
  BadSectors bad;
  PatientReader own(file, bad);
  PackScan scan(own, pack_);
  while (scan.next(false)) {
  }
  const bool torn = !scan.reason().empty();
  const std::uint64_t whole = own.size() < kPackHeaderBytes ? own.size() : scan.offset();
  if (torn && own.size() >= kPackHeaderBytes && scan.skip_to_next()) return;
  BadSectors bad_there;
  PatientReader there(pack, bad_there);
  const bool same = same_front(own, there, whole);
  if (same && bad.empty() && bad_there.empty()) remove_durably(layout_.journal(pack_.number));
}

// True when the journal can be appended to; false when it was retired, or cannot be read.
bool Journal::salvage(const Retire& retire) {
  const std::string path = layout_.journal(pack_.number);
  DescriptorReader file(fd_.get());
  BadSectors bad;
  PatientReader reader(file, bad);
  std::string header(kPackHeaderBytes, '\0');
  if (reader.read(0, header.data(), header.size()) < kPackHeaderBytes) {
    cut(fd_.get(), 0, path);  // the maker died within its header: nothing can follow it
    write_all(fd_.get(), write_pack_header(pack_));
  }
  PackScan scan(reader, pack_);
  bool sealed = false;
  std::uint64_t marked_end = 0;
  while (const std::optional<ScannedRecord> record = scan.next(true)) {
    account(record->head, record->digest);
    sealed = record->head.type == RecordType::Seal;
    if (record->head.type == RecordType::Mark) marked_end = record->end;
  }
  const bool torn = !scan.reason().empty();
  end_ = scan.offset();
  const bool damaged = torn && scan.skip_to_next();
  if (!bad.empty()) return false;
  write_again(fd_.get(), marked_end, path);
  if (sealed || damaged) {
    sync_file(fd_.get());
    move_to_packs(retire);
    return false;
  }
  if (torn) {
    cut(fd_.get(), end_, path);
    crash_point("store.journal-salvaged");
  } else {
    check_sys(::lseek(fd_.get(), 0, SEEK_END), [&] { return "seeking in " + quoted(path); });
  }
  return true;
}

std::uint64_t Journal::append(RecordHead head, std::string_view payload) {
  const std::uint64_t offset = end_;
  std::string covered;
  payload = cover_payload(head, payload, {pack_, offset}, covered);
  const std::string bytes = write_record_head(head, {pack_, offset});
  const std::string digest(head_digest(bytes));
  try {
    write_all(fd_.get(), bytes);
    write_all(fd_.get(), payload);
  } catch (Error& error) {
    // Nothing half-written counts; if even this fails, the next owner cuts it.
    if (::ftruncate(fd_.get(), static_cast<off_t>(offset)) == 0)
      (void)::lseek(fd_.get(), static_cast<off_t>(offset), SEEK_SET);
    error.add_context("storing a group in " + quoted(layout_.journal(pack_.number)));
    throw;
  }
  account(head, digest);
  end_ += bytes.size() + payload.size();
  if (payload.size() >= kBulkPayload && head.chunks.front().kind == ObjectKind::Data)
    behind_.wrote(fd_.get(), offset, end_ - offset);
  return offset;
}

void Journal::sync() {
  if (synced_end_ == end_) return;
  sync_file(fd_.get());
  crash_point("store.chunks-synced");
  // Tells a later salvage that nothing before this point can be a torn write.  Not synced itself: when it is
  // lost, salvage is only a little less sure.
  RecordHead mark;
  mark.type = RecordType::Mark;
  append(mark, {});
  synced_end_ = end_;
}

void Journal::finish(const Retire& retire) {
  RecordHead seal;
  seal.type = RecordType::Seal;
  seal.sealed_groups = groups_;
  Sha256 digests = std::move(digests_);
  seal.sealed_digest = digests.finish();
  digests_ = Sha256();
  append(seal, {});
  sync_file(fd_.get());
  crash_point("store.pack-sealed");
  move_to_packs(retire);
  behind_.let_go(fd_.get());  // now, because the parity was made of these pages
}

void Journal::move_to_packs(const Retire& retire, bool with_parity) {
  {
    const FileLock known = retire(pack_.number);
    const std::string to = Layout::pack_object(pack_.number);
    if (!layout_.storage->adopt(to, layout_.journal(pack_.number)))
      throw Error(Kind::Corrupt, "store: " + quoted(layout_.storage->shown(to)) +
                                     " exists, and its journal does with other bytes");
  }
  crash_point("store.pack-renamed");
  if (!with_parity) return;
  DescriptorReader pack(fd_.get());
  store_parity(layout_, pack, pack_);
}

}  // namespace bk::store
