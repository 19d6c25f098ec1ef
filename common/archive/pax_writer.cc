#include "common/archive/pax_writer.h"

#include "common/error/error.h"
#include "common/handle/handle.h"
#include "common/text/escape.h"

#include <archive.h>
#include <archive_entry.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

namespace bk {
namespace {

using Archive = Handle<archive, archive_write_free>;
using ArchiveEntry = Handle<archive_entry, archive_entry_free>;

unsigned type_bits(EntryType type) {
  switch (type) {
    case EntryType::File:
      return S_IFREG;
    case EntryType::Directory:
      return S_IFDIR;
    case EntryType::Symlink:
      return S_IFLNK;
    case EntryType::Fifo:
      return S_IFIFO;
    case EntryType::CharDevice:
      return S_IFCHR;
    case EntryType::BlockDevice:
      return S_IFBLK;
    case EntryType::Socket:
      break;
  }
  throw Error(Kind::Usage, "an archive cannot hold a socket");
}

// libarchive 3.6.2 writes seconds and nanoseconds side by side, so -5 s + 0.25 s would become "-5.25", and a
// reader takes that as written.  Counted towards zero the text is right.  Only the last second before 1970
// has no such form ("-0.75" would lose its sign): there the fraction is dropped.
void set_time(archive_entry* out, Timestamp time) {
  if (time.seconds < 0 && time.nanoseconds > 0) {
    const bool has_form = time.seconds < -1;
    time.seconds += has_form ? 1 : 0;
    time.nanoseconds = has_form ? 1'000'000'000 - time.nanoseconds : 0;
  }
  archive_entry_set_mtime(out, static_cast<time_t>(time.seconds), static_cast<long>(time.nanoseconds));
}

// libarchive wants the stretches that hold data; what lies between is a hole.
void set_holes(struct archive_entry* out, const Entry& entry) {
  bool any = false;
  for (const Extent& extent : entry.content) any = any || extent.kind == Extent::Kind::Hole;
  if (!any) return;
  std::uint64_t at = 0;
  for (const Extent& extent : entry.content) {
    if (extent.kind != Extent::Kind::Hole)
      archive_entry_sparse_add_entry(out, static_cast<la_int64_t>(at), static_cast<la_int64_t>(extent.bytes));
    at += extent.bytes;
  }
  // A file that ends in a hole, or is all hole, is marked by an empty stretch at its end.
  archive_entry_sparse_add_entry(out, static_cast<la_int64_t>(entry.size), 0);
}

}  // namespace

struct PaxWriter::Impl {
  Sink sink;
  CallbackGuard guard;
  Archive archive{archive_write_new()};

  void check(la_ssize_t result, const std::string& doing) {
    guard.rethrow();
    // A warning would mean that something of the entry was left out: not what a backup wants to hear.
    if (result < ARCHIVE_OK)
      throw Error(Kind::Io,
                  doing + ": " +
                      (archive_error_string(archive.get()) != nullptr ? archive_error_string(archive.get())
                                                                      : "libarchive gave no reason"));
  }

  static la_ssize_t on_write(struct archive*, void* self, const void* bytes, std::size_t size) {
    auto* impl = static_cast<Impl*>(self);
    return impl->guard.run(la_ssize_t{-1}, [&] {
      impl->sink({static_cast<const char*>(bytes), size});
      return static_cast<la_ssize_t>(size);
    });
  }
};

PaxWriter::PaxWriter(Sink sink) : impl_(std::make_unique<Impl>()) {
  impl_->sink = std::move(sink);
  struct archive* a = impl_->archive.get();
  BK_CHECK(a != nullptr);
  impl_->check(archive_write_set_format_pax(a), "beginning an archive");
  impl_->check(archive_write_set_format_option(a, "pax", "hdrcharset", "BINARY"), "beginning an archive");
  impl_->check(archive_write_set_bytes_in_last_block(a, 1), "beginning an archive");
  impl_->check(archive_write_open(a, impl_.get(), nullptr, &Impl::on_write, nullptr), "beginning an archive");
}

PaxWriter::~PaxWriter() {
  // Freeing would write the archive's end: a cut archive must not look finished.
  if (impl_->archive) (void)archive_write_fail(impl_->archive.get());
}

void PaxWriter::begin(const std::string& path, const Entry& entry, const std::string& hard_link_to) {
  ArchiveEntry out{archive_entry_new()};
  BK_CHECK(out != nullptr);
  archive_entry* e = out.get();
  archive_entry_copy_pathname(e, path.c_str());
  archive_entry_set_mode(e, static_cast<__LA_MODE_T>(type_bits(entry.type) | entry.mode));
  archive_entry_set_uid(e, entry.uid);
  archive_entry_set_gid(e, entry.gid);
  set_time(e, entry.mtime);
  archive_entry_set_size(e, 0);
  if (!hard_link_to.empty()) {
    archive_entry_copy_hardlink(e, hard_link_to.c_str());
  } else if (entry.type == EntryType::File) {
    archive_entry_set_size(e, static_cast<la_int64_t>(entry.size));
    set_holes(e, entry);
  } else if (entry.type == EntryType::Symlink) {
    archive_entry_copy_symlink(e, entry.target.c_str());
  } else if (entry.type == EntryType::CharDevice || entry.type == EntryType::BlockDevice) {
    archive_entry_set_rdev(e, makedev(entry.rdev_major, entry.rdev_minor));
  }
  for (const Xattr& xattr : entry.xattrs)
    archive_entry_xattr_add_entry(e, xattr.name.c_str(), xattr.value.data(), xattr.value.size());
  impl_->check(archive_write_header(impl_->archive.get(), e), "archiving " + quoted(path));
}

void PaxWriter::write(std::string_view bytes) {
  while (!bytes.empty()) {
    const la_ssize_t n = archive_write_data(impl_->archive.get(), bytes.data(), bytes.size());
    impl_->check(n, "writing an archive");
    if (n == 0) throw Error(Kind::Io, "writing an archive: more content than the entry's size");
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
}

void PaxWriter::close() {
  impl_->check(archive_write_close(impl_->archive.get()), "finishing an archive");
  impl_->archive.reset();
}

}  // namespace bk
