#include "common/archive/pax_writer.h"

#include "common/archive/raw_names.h"
#include "common/error/error.h"
#include "common/handle/handle.h"
#include "common/text/escape.h"

#include <archive.h>
#include <archive_entry.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>

namespace bk {
namespace {

constexpr std::size_t kPieceBytes = 64U << 10U;

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

bool has_holes(const Entry& entry) {
  return std::any_of(entry.content.begin(), entry.content.end(),
                     [](const Extent& extent) { return extent.kind == Extent::Kind::Hole; });
}

// libarchive wants the stretches that hold data; what lies between is a hole.
void set_holes(struct archive_entry* out, const Entry& entry) {
  std::uint64_t at = 0;
  for (const Extent& extent : entry.content) {
    if (extent.kind != Extent::Kind::Hole)
      archive_entry_sparse_add_entry(out, static_cast<la_int64_t>(at), static_cast<la_int64_t>(extent.bytes));
    at += extent.bytes;
  }
  // A file that ends in a hole, or is all hole, is marked by an empty stretch at its end.
  archive_entry_sparse_add_entry(out, static_cast<la_int64_t>(entry.size), 0);
}

// A sparse file's name stands in its pax header, of the same length as the stand-in.  UTF-8, as that has it.
void put_sparse_name(std::string& header, const std::string& stand_in, const std::string& path) {
  const std::string record = "GNU.sparse.name=";
  const std::size_t at = header.find(record + stand_in);
  BK_CHECK(at != std::string::npos);
  header.replace(at + record.size(), path.size(), path);
}

}  // namespace

struct PaxWriter::Impl {
  Sink sink;
  CallbackGuard guard;
  bool in_header = false;
  std::string pending;  // of the header that is made, or not handed over yet
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
      impl->pending.append(static_cast<const char*>(bytes), size);
      if (!impl->in_header && impl->pending.size() >= kPieceBytes) impl->hand_over();
      return static_cast<la_ssize_t>(size);
    });
  }

  void hand_over() {
    if (!pending.empty()) sink(pending);
    pending.clear();
  }

  // The header of one entry, alone in `pending`.
  void write_header(archive_entry* entry, const std::string& doing) {
    check(archive_write_finish_entry(archive.get()), doing);
    hand_over();
    in_header = true;
    check(archive_write_header(archive.get(), entry), doing);
    in_header = false;
  }
};

PaxWriter::PaxWriter(Sink sink) : impl_(std::make_unique<Impl>()) {
  impl_->sink = std::move(sink);
  struct archive* a = impl_->archive.get();
  BK_CHECK(a != nullptr);
  impl_->check(archive_write_set_format_pax(a), "beginning an archive");
  // Attributes under the name that GNU tar knows, too; libarchive's own it complains of.
  impl_->check(archive_write_set_format_option(a, "pax", "xattrheader", "SCHILY"), "beginning an archive");
  impl_->check(archive_write_set_bytes_per_block(a, 0), "beginning an archive");  // headers come at once
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
  const bool symlink = entry.type == EntryType::Symlink && hard_link_to.empty();
  const std::string& link = symlink ? entry.target : hard_link_to;
  const bool raw = !is_ascii(path) || !is_ascii(link);
  const bool holes = entry.type == EntryType::File && hard_link_to.empty() && has_holes(entry);
  const std::string stand_in(raw && holes ? path.size() : 1, 'x');
  archive_entry_copy_pathname(e, raw ? stand_in.c_str() : path.c_str());
  archive_entry_set_mode(e, static_cast<__LA_MODE_T>(type_bits(entry.type) | entry.mode));
  archive_entry_set_uid(e, entry.uid);
  archive_entry_set_gid(e, entry.gid);
  set_time(e, entry.mtime);
  archive_entry_set_size(e, 0);
  if (!hard_link_to.empty()) {
    archive_entry_copy_hardlink(e, raw ? "x" : hard_link_to.c_str());
  } else if (entry.type == EntryType::File) {
    archive_entry_set_size(e, static_cast<la_int64_t>(entry.size));
    if (holes && (!raw || is_utf8(path))) set_holes(e, entry);
  } else if (entry.type == EntryType::Symlink) {
    archive_entry_copy_symlink(e, raw ? "x" : entry.target.c_str());
  } else if (entry.type == EntryType::CharDevice || entry.type == EntryType::BlockDevice) {
    archive_entry_set_rdev(e, makedev(entry.rdev_major, entry.rdev_minor));
  }
  for (const Xattr& xattr : entry.xattrs)
    archive_entry_xattr_add_entry(e, xattr.name.c_str(), xattr.value.data(), xattr.value.size());
  impl_->write_header(e, "archiving " + quoted(path));
  if (raw && holes && is_utf8(path)) return put_sparse_name(impl_->pending, stand_in, path);
  const std::string folder = entry.type == EntryType::Directory && !path.ends_with('/') ? "/" : "";
  if (raw) put_raw_names(impl_->pending, path + folder, link);
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
  impl_->hand_over();
  impl_->archive.reset();
}

}  // namespace bk
