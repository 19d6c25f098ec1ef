#include "client/modules/dataverse_read.h"

#include "client/modules/fetch_object.h"
#include "common/error/error.h"
#include "common/io/bulk.h"
#include "common/io/file.h"
#include "common/path/names.h"
#include "common/text/ascii.h"
#include "common/text/escape.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace bk::client {
namespace {

constexpr int kMostSilent = 3;  // a store that is down takes seconds for each file, and there may be many

void fail(ReadOutcome& out, const char* status, const std::string& why) {
  out.status = status;
  out.why = why;
}

// What a content must hash to; nothing, and why, when Dataverse has no such thing.
struct Expected {
  std::optional<HashKind> kind;
  std::string digest, problem;
};
Expected expected_of(const ListedFile& file) {
  Expected out;
  out.kind = parse_hash_kind(file.checksum_kind);
  out.digest = lower_ascii(file.checksum);
  if (!out.kind) {
    out.problem = "the database has no checksum of a known kind but " + bk::quoted(file.checksum_kind);
  } else if (out.digest.size() != hash_hex_digits(*out.kind) || !hex_decode(out.digest)) {
    out.problem = fmt::format("{} is no {}", bk::quoted(file.checksum), hash_name(*out.kind));
  }
  return out;
}

// The bytes from `from`, hashed, into `to` when that is a descriptor; how many.
std::uint64_t pass(int from, int to, Hasher* hasher) {
  std::string buffer(256U << 10U, '\0');
  std::uint64_t at = 0;
  WriteBehind behind;
  for (;;) {
    const std::size_t got = pread_in_passing(from, buffer.data(), buffer.size(), at);
    if (got == 0) return at;
    const std::string_view bytes = std::string_view(buffer).substr(0, got);
    if (hasher != nullptr) hasher->update(bytes);
    if (to >= 0) {
      pwrite_all(to, bytes, at);
      behind.wrote(to, at, got);
    }
    at += got;
  }
}

bool is_full(const Error& error) { return error.sys_errno() == ENOSPC || error.sys_errno() == EDQUOT; }

}  // namespace

void DataverseReader::from_folder(const std::string& folder, const ListedFile& file, const Content& content,
                                  const std::string& staged, ReadOutcome& out) const {
  const std::string path =
      join_path(join_path(join_path(folder, file.authority), file.identifier), content.name);
  const Fd from(::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  if (!from) return fail(out, "FAIL_READ", bk::quoted(path) + ": " + system_words(errno));
  struct stat info {};
  if (::fstat(from.get(), &info) != 0 || !S_ISREG(info.st_mode))
    return fail(out, "FAIL_READ", bk::quoted(path) + " is not a file");
  Fd to;
  std::string stage;
  try {
    (void)::unlink(staged.c_str());
    // A link costs nothing and needs the right to (owner, or fs.protected_hardlinks=0) and one file system.
    // By the descriptor: what is linked is what is hashed.
    const std::string opened = fmt::format("/proc/self/fd/{}", from.get());
    const bool linked =
        source_.links && ::linkat(AT_FDCWD, opened.c_str(), AT_FDCWD, staged.c_str(), AT_SYMLINK_FOLLOW) == 0;
    if (!linked) {
      to = open_file(staged, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW);
      if (::ioctl(to.get(), FICLONE, from.get()) == 0) to.reset();
    }
  } catch (const Error& error) {
    if (is_full(error)) throw;
    return fail(out, "FAIL_WRITE", error.what());
  }
  std::optional<Hasher> hasher;
  const Expected expected = expected_of(file);
  if (content.checked && expected.problem.empty()) hasher.emplace(*expected.kind);
  std::uint64_t bytes = 0;
  try {
    bytes = pass(from.get(), to ? to.get() : -1, hasher ? &*hasher : nullptr);
    if (to) to.close();
  } catch (const Error& error) {
    if (is_full(error)) throw;
    return fail(out, "FAIL_READ", bk::quoted(path) + ": " + error.what());
  }
  out.bytes += bytes;
  if (content.bytes && *content.bytes != bytes && !content.checked)
    return fail(out, "FAIL_VERIFY",
                fmt::format("{} has {} bytes and should have {}", bk::quoted(path), bytes, *content.bytes));
  if (!content.checked) return;
  if (!hasher) return fail(out, "FAIL_VERIFY", expected.problem);
  if (const std::string is = hex_encode(hasher->finish()); is != expected.digest)
    fail(out, "FAIL_VERIFY",
         fmt::format("{} of {} is {} and should be {}", hash_name(*expected.kind), bk::quoted(path), is,
                     expected.digest));
}

void DataverseReader::from_bucket(Remote& remote, const ListedFile& file, const Content& content,
                                  const std::string& staged, ReadOutcome& out) const {
  Wanted wanted{file.authority + "/" + file.identifier + "/" + content.name, "", std::nullopt, ""};
  if (remote.silent >= kMostSilent)
    return fail(out, "FAIL_READ", remote.why + "; not asked again in this run");
  s3::Bucket& bucket = *remote.bucket;
  const Expected expected = expected_of(file);
  if (content.checked && expected.problem.empty()) {
    wanted.hash = expected.kind;
    wanted.digest = expected.digest;
  }
  try {
    const std::optional<s3::ObjectFacts> facts = bucket.head(wanted.key);
    if (!facts)
      return fail(out, "FAIL_READ", "no object " + bk::quoted(wanted.key) + " in " + bucket.shown());
    wanted.etag = facts->etag;
    const Fetched fetched = fetch_object(bucket, wanted, staged);
    remote.silent = 0;
    if (fetched.state == Fetched::State::Gone)
      return fail(out, "FAIL_READ", bk::quoted(wanted.key) + " changed while it was read");
    if (fetched.state == Fetched::State::Damaged)
      return fail(out, "FAIL_VERIFY", bk::quoted(wanted.key) + ": " + fetched.why);
    out.bytes += fetched.facts.bytes;
    if (content.checked && !expected.problem.empty()) fail(out, "FAIL_VERIFY", expected.problem);
    if (!content.checked && content.bytes && *content.bytes != fetched.facts.bytes)
      fail(out, "FAIL_VERIFY",
           fmt::format("{} has {} bytes and should have {}", bk::quoted(wanted.key), fetched.facts.bytes,
                       *content.bytes));
  } catch (const Error& error) {
    if (is_full(error)) throw;
    fail(out, error.kind() == Kind::Io ? "FAIL_WRITE" : "FAIL_READ", error.what());
    remote.silent = error.kind() == Kind::Transient ? remote.silent + 1 : 0;
    remote.why = out.why;
  }
}

void DataverseReader::read_content(const ListedFile& file, const StoragePlace& place, const Content& content,
                                   const std::string& staged, ReadOutcome& out) {
  if (out.status != "OK") return;
  Remote& remote = buckets_[place.label + "\n" + place.bucket];
  if (!remote.bucket) {
    const std::optional<DataverseStore> store = find_store(source_, place.label, place.bucket);
    if (!store)
      return fail(out, "FAIL_READ",
                  fmt::format("{} does not say where store {} is: add [store.{}]", source_.file,
                              bk::quoted(place.label), place.label));
    if (store->type == DataverseStore::Type::Folder)
      return from_folder(store->folder, file, content, staged, out);
    remote.bucket = std::make_unique<s3::Bucket>(store->settings, clock_);
  }
  from_bucket(remote, file, content, staged, out);
}

ReadOutcome DataverseReader::read(const ListedFile& file, const StoragePlace& place) {
  ReadOutcome out;
  out.staged = mirror_.partial("dataverse " + std::to_string(file.id));
  out.staged_original = file.tabular ? mirror_.partial("dataverse original " + std::to_string(file.id)) : "";
  try {
    // The checksum of what was ingested as a table is that of the upload, which lies beside it.
    read_content(file, place, {place.name, file.bytes, !file.tabular}, out.staged, out);
    if (file.tabular)
      read_content(file, place, {place.name + ".orig", file.original_bytes, true}, out.staged_original, out);
  } catch (const Error& error) {
    if (is_full(error)) throw;
    fail(out, "FAIL_READ", error.what());
  }
  if (out.status != "OK") {
    (void)::unlink(out.staged.c_str());
    if (file.tabular) (void)::unlink(out.staged_original.c_str());
  }
  return out;
}

}  // namespace bk::client
