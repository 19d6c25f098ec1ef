#include "client/modules/key_path.h"
#include "client/modules/s3_source.h"
#include "client/modules/tree_list.h"
#include "common/digest/hasher.h"
#include "common/error/error.h"
#include "common/io/file.h"
#include "common/text/escape.h"

#include <fcntl.h>
#include <sys/stat.h>

namespace bk::client {
namespace {

constexpr const char* kHeaders[] = {"content-encoding", "content-disposition", "content-language",
                                    "cache-control", "expires"};

s3::Bucket::Describe describe(const nlohmann::json& line) {
  s3::Bucket::Describe out;
  out.content_type = listed_text(line, "content-type");
  for (const char* name : kHeaders) {
    if (const std::string value = listed_text(line, name); !value.empty()) out.headers[name] = value;
  }
  if (const auto metadata = line.find("metadata"); metadata != line.end() && metadata->is_object()) {
    for (const auto& [name, value] : metadata->items())
      out.headers["x-amz-meta-" + percent_decode(name).value_or(name)] = listed_text(*metadata, name.c_str());
  }
  return out;
}

std::string md5_of(std::uint64_t bytes, const s3::Bucket::ReadAt& read) {
  Hasher hasher(HashKind::Md5);
  std::string buffer(256U << 10U, '\0');
  for (std::uint64_t at = 0; at < bytes;) {
    const std::size_t got = read(at, buffer.data(), buffer.size());
    if (got == 0) break;
    hasher.update(std::string_view(buffer).substr(0, got));
    at += got;
  }
  return hex_encode(hasher.finish());
}

// The bucket has this very content: by its MD5, or by the ETag that an upload in parts of it has.
bool has_content(const s3::Bucket& bucket, const s3::ObjectFacts& there, std::uint64_t bytes,
                 const s3::Bucket::ReadAt& read) {
  if (there.bytes != bytes) return false;
  if (!there.md5().empty()) return there.md5() == md5_of(bytes, read);
  return there.etag.find('-') != std::string::npos && there.etag == bucket.etag_of(bytes, read);
}

// True when it was put, false when that content is there.
bool restore_one(s3::Bucket& bucket, const std::string& objects, const nlohmann::json& line) {
  const std::string key = listed_text(line, "key");
  const std::string file = listed_text(line, "file");
  if (key.empty() || key_of_path(file) != key)
    throw Error(Kind::Corrupt,
                "a line whose file " + bk::quoted(file) + " does not spell its key " + bk::quoted(key));
  const Fd fd = open_file(join_path(objects, file), O_RDONLY | O_NOFOLLOW);
  struct stat info {};
  check_sys(::fstat(fd.get(), &info), [&] { return "looking at " + bk::quoted(file); });
  const auto bytes = static_cast<std::uint64_t>(info.st_size);
  if (bytes != line.value("bytes", std::uint64_t{0}))
    throw Error(Kind::Corrupt, bk::quoted(join_path(objects, file)) + " is not as long as its line says");
  const s3::Bucket::ReadAt read = [&](std::uint64_t offset, char* into, std::size_t size) {
    return pread_up_to(fd.get(), into, size, offset);
  };
  if (const auto there = bucket.head(key); there && has_content(bucket, *there, bytes, read)) return false;
  (void)bucket.put(key, bytes, read, describe(line));
  return true;
}

}  // namespace

S3Restored restore_bucket(const S3Source& source, const std::string& tree, const Clock& clock) {
  s3::Bucket bucket(source.settings, clock);
  S3Restored out;
  for_each_listed(tree, "objects.jsonl", "s3", [&](const nlohmann::json& line) {
    ++(restore_one(bucket, join_path(tree, "objects"), line) ? out.put : out.there);
  });
  return out;
}

}  // namespace bk::client
