#include "client/modules/dataverse_restore.h"

#include "client/modules/dataverse_list.h"
#include "client/modules/tree_list.h"
#include "common/digest/hasher.h"
#include "common/error/error.h"
#include "common/io/file.h"
#include "common/path/names.h"
#include "common/text/ascii.h"
#include "common/text/escape.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <memory>
#include <optional>

namespace bk::client {
namespace {

constexpr std::size_t kNamedFailures = 1000;

// One content of the tree, open, and what it must be.
struct Content {
  std::string shown;  // its path below files/
  std::string key;    // <authority>/<identifier>/<name>
  Fd fd;
  std::uint64_t bytes = 0;

  [[nodiscard]] s3::Bucket::ReadAt reader() const {
    return [this](std::uint64_t offset, char* into, std::size_t size) {
      return pread_up_to(fd.get(), into, size, offset);
    };
  }
  [[nodiscard]] std::string digest(HashKind kind) const { return digest_of(fd.get(), kind); }
  static std::string digest_of(int file, HashKind kind) {
    Hasher hasher(kind);
    std::string buffer(256U << 10U, '\0');
    for (std::uint64_t at = 0;;) {
      const std::size_t got = pread_up_to(file, buffer.data(), buffer.size(), at);
      if (got == 0) return hex_encode(hasher.finish());
      hasher.update(std::string_view(buffer).substr(0, got));
      at += got;
    }
  }
};

Content open_content(const std::string& files, const std::string& path) {
  Content out;
  out.shown = path;
  out.key = path.substr(std::min(path.size(), path.find('/')) + 1);
  out.fd = open_file(join_path(files, path), O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  struct stat info {};
  check_sys(::fstat(out.fd.get(), &info), [&] { return "looking at " + bk::quoted(path); });
  if (!S_ISREG(info.st_mode)) throw Error(Kind::Corrupt, bk::quoted(path) + " is not a file");
  out.bytes = static_cast<std::uint64_t>(info.st_size);
  return out;
}

// True when it was put, false when it is there; throws when something else is.
bool to_folder(const std::string& folder, const Content& content) {
  const std::string path = join_path(folder, content.key);
  const Fd there(::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (there) {
    struct stat info {};
    const bool same = ::fstat(there.get(), &info) == 0 && S_ISREG(info.st_mode) &&
                      static_cast<std::uint64_t>(info.st_size) == content.bytes &&
                      Content::digest_of(there.get(), HashKind::Sha256) == content.digest(HashKind::Sha256);
    if (same) return false;
    throw Error(Kind::Refused,
                bk::quoted(path) + " is there with another content and stays; move it away first");
  }
  if (errno != ENOENT) throw sys_error(errno, "looking at " + bk::quoted(path));
  ensure_directory(parent_of(path), 0755);
  const std::string making = path + ".backline-new";
  try {
    (void)::unlink(making.c_str());
    const Fd to = open_file(making, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0644);
    std::string buffer(256U << 10U, '\0');
    for (std::uint64_t at = 0; at < content.bytes;) {
      const std::size_t got = pread_up_to(content.fd.get(), buffer.data(), buffer.size(), at);
      if (got == 0) throw Error(Kind::Io, bk::quoted(content.shown) + " became shorter");
      pwrite_all(to.get(), std::string_view(buffer).substr(0, got), at);
      at += got;
    }
    sync_file(to.get());
    rename_durably(making, path);
  } catch (const Error&) {
    (void)::unlink(making.c_str());
    throw;
  }
  return true;
}

bool to_bucket(s3::Bucket& bucket, const Content& content) {
  if (const std::optional<s3::ObjectFacts> there = bucket.head(content.key)) {
    const std::string md5 = there->md5();
    const bool same = there->bytes == content.bytes &&
                      (md5.empty() ? there->etag == bucket.etag_of(content.bytes, content.reader())
                                   : md5 == content.digest(HashKind::Md5));
    if (same) return false;
    throw Error(Kind::Refused,
                fmt::format("{} in {} is there with another content and stays; remove it first",
                            bk::quoted(content.key), bucket.shown()));
  }
  (void)bucket.put(content.key, content.bytes, content.reader(), {});
  return true;
}

class Restoring {
 public:
  Restoring(const DataverseSource& source, const std::string& tree, const Clock& clock)
      : source_(source), files_(join_path(tree, "files")), clock_(clock) {}

  void take(const nlohmann::json& line) {
    std::string shown = "a line";
    try {
      const std::string status = listed_text(line, "status");
      shown = listed_text(line, "file");
      if (status != "OK") {
        // It may lie there as an earlier run had it; by which checksum, this line does not say.
        shown = listed_text(line, "dataset") + "/" + listed_text(line, "storage");
        throw Error(Kind::NotFound, "was not saved: " + status + ", " + listed_text(line, "why"));
      }
      take_file(line, shown);
    } catch (const Error& error) {
      if (error.sys_errno() == ENOSPC || error.sys_errno() == EDQUOT || error.kind() == Kind::Transient)
        throw;
      fail(shown, error.what());
    }
  }

  DataverseRestored report;

 private:
  void fail(const std::string& path, const std::string& why) {
    ++report.failed;
    if (report.failures.size() < kNamedFailures) report.failures.push_back(bk::quoted(path) + ": " + why);
  }

  void take_file(const nlohmann::json& line, const std::string& path) {
    const std::optional<RelPath> inside = RelPath::from(path);
    if (!inside || path.find('/') == std::string::npos) throw Error(Kind::Corrupt, "is no path below files/");
    const std::string checksum = listed_text(line, "checksum");
    const std::optional<StoragePlace> place = parse_storage(listed_text(line, "storage"));
    if (!place) throw Error(Kind::Corrupt, "its line has no storage identifier");
    // Of the derived form of a table Dataverse has no checksum: it is the upload's, which lies beside it.
    const bool original = line.contains("original");
    if (original) ++(put(*place, open_content(files_, path)) ? report.put : report.there);
    ++(put(*place, checked(original ? path + ".orig" : path, checksum)) ? report.put : report.there);
  }

  // `checksum`: "<kind>:<hex>".
  [[nodiscard]] Content checked(const std::string& path, const std::string& checksum) const {
    Content content = open_content(files_, path);
    const std::size_t colon = checksum.find(':');
    const std::optional<HashKind> kind = parse_hash_kind(checksum.substr(0, colon));
    if (!kind || content.digest(*kind) != lower_ascii(std::string_view(checksum).substr(colon + 1)))
      throw Error(Kind::Corrupt,
                  "is not what its checksum " + bk::quoted(checksum) + " says: nothing was put");
    return content;
  }

  bool put(const StoragePlace& place, const Content& content) {
    const std::optional<DataverseStore> store = find_store(source_, place.label, place.bucket);
    if (!store || store->type == DataverseStore::Type::Elsewhere)
      throw Error(Kind::Config, fmt::format("{} does not say where store {} is: add [store.{}]", source_.file,
                                            bk::quoted(place.label), place.label));
    if (store->type == DataverseStore::Type::Folder) return to_folder(store->folder, content);
    std::unique_ptr<s3::Bucket>& bucket = buckets_[place.label + "\n" + store->settings.bucket];
    if (!bucket) bucket = std::make_unique<s3::Bucket>(store->settings, clock_);
    return to_bucket(*bucket, content);
  }

  const DataverseSource& source_;
  std::string files_;
  const Clock& clock_;
  std::map<std::string, std::unique_ptr<s3::Bucket>> buckets_;
};

}  // namespace

DataverseRestored restore_dataverse(const DataverseSource& source, const std::string& tree,
                                    const Clock& clock) {
  Restoring restoring(source, tree, clock);
  for_each_listed(tree, "files.jsonl", "dataverse",
                  [&](const nlohmann::json& line) { restoring.take(line); });
  return restoring.report;
}

}  // namespace bk::client
