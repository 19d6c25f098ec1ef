#include "client/modules/fetch_object.h"

#include "common/error/error.h"
#include "common/io/bulk.h"
#include "common/io/file.h"
#include "common/text/escape.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <vector>

namespace bk::client {
namespace {

// What the bytes are hashed with while they come; the store says only with its headers which it needs.
class Checks {
 public:
  explicit Checks(const Wanted& wanted) : wanted_(wanted) {
    for (const HashKind kind : {HashKind::Md5, HashKind::Sha1, HashKind::Sha256}) hashers_.emplace_back(kind);
    if (wanted.hash == HashKind::Sha512) hashers_.emplace_back(HashKind::Sha512);
  }
  void expect(const s3::ObjectFacts& facts) {
    if (expected_) return;
    expected_ = true;
    std::erase_if(hashers_, [&](const Hasher& hasher) { return !needed(hasher.kind(), facts); });
  }
  void update(std::string_view bytes) {
    for (Hasher& hasher : hashers_) hasher.update(bytes);
  }
  // "" when all hold.
  std::string judge(const s3::ObjectFacts& facts) {
    std::string why;
    for (Hasher& hasher : hashers_) {
      const std::string raw = hasher.finish();
      const HashKind kind = hasher.kind();
      if (kind == HashKind::Md5 && !facts.md5().empty() && facts.md5() != hex_encode(raw))
        why = "its MD5 is not its ETag " + facts.etag;
      if (kind == wanted_.hash && wanted_.digest != hex_encode(raw))
        why = fmt::format("its {} is {} and should be {}", hash_name(kind), hex_encode(raw),
                          quoted(wanted_.digest));
      if (const auto said = checksum(kind, facts); said && *said != raw)
        why = fmt::format("its {} is not the one that the store says", hash_name(kind));
    }
    return why;
  }

 private:
  static std::optional<std::string> checksum(HashKind kind, const s3::ObjectFacts& facts) {
    if (kind != HashKind::Sha1 && kind != HashKind::Sha256) return std::nullopt;
    const auto at = facts.checksums.find(kind == HashKind::Sha1 ? "sha1" : "sha256");
    if (at == facts.checksums.end()) return std::nullopt;
    std::string text = at->second;  // base64; ours has the alphabet of URLs
    for (char& c : text) c = c == '+' ? '-' : c == '/' ? '_' : c;
    return base64url_decode(text);
  }
  bool needed(HashKind kind, const s3::ObjectFacts& facts) const {
    return kind == wanted_.hash || (kind == HashKind::Md5 && !facts.md5().empty()) || checksum(kind, facts);
  }

  const Wanted& wanted_;
  std::vector<Hasher> hashers_;
  bool expected_ = false;
};

std::uint64_t bytes_in(int fd) {
  struct stat info {};
  check_sys(::fstat(fd, &info), [] { return "looking at a file in part"; });
  return static_cast<std::uint64_t>(info.st_size);
}

Fetched attempt(s3::Bucket& bucket, const Wanted& wanted, const std::string& file, bool anew) {
  Fetched out;
  Fd fd = open_file(file, O_RDWR | O_CREAT | O_NOFOLLOW);
  if (anew || wanted.etag.empty()) resize_file(fd.get(), 0);
  const std::uint64_t begin = bytes_in(fd.get());
  std::optional<s3::ObjectFacts> facts;
  if (begin > 0) {
    facts = bucket.head(wanted.key);
    if (!facts || facts->etag != wanted.etag) return out;
    if (begin > facts->bytes) return attempt(bucket, wanted, file, true);
  }
  Checks checks(wanted);
  if (facts) checks.expect(*facts);
  std::string buffer(256U << 10U, '\0');
  for (std::uint64_t at = 0; at < begin;) {
    const std::size_t got = pread_up_to(fd.get(), buffer.data(), buffer.size(), at);
    if (got == 0) throw Error(Kind::Io, quoted(file) + " became shorter");
    checks.update(std::string_view(buffer).substr(0, got));
    at += got;
  }
  std::uint64_t at = begin;
  if (!facts || begin < facts->bytes) {
    WriteBehind behind;
    const s3::Get what{begin, wanted.etag, [&](const s3::ObjectFacts& known) { checks.expect(known); }};
    facts = bucket.get(wanted.key, what, [&](std::string_view bytes) {
      pwrite_all(fd.get(), bytes, at);
      behind.wrote(fd.get(), at, bytes.size());
      at += bytes.size();
      checks.update(bytes);
    });
  }
  if (!facts) return out;
  out.facts = *facts;
  out.why = at != facts->bytes ? fmt::format("{} of {} bytes came", at, facts->bytes) : checks.judge(*facts);
  out.state = out.why.empty() ? Fetched::State::Whole : Fetched::State::Damaged;
  fd.close();
  return out;
}

}  // namespace

Fetched fetch_object(s3::Bucket& bucket, const Wanted& wanted, const std::string& file) {
  Fetched out = attempt(bucket, wanted, file, false);
  if (out.state == Fetched::State::Damaged) out = attempt(bucket, wanted, file, true);
  if (out.state != Fetched::State::Whole) {
    // What is there in part is of no use to a later attempt.
    (void)::unlink(file.c_str());
  }
  return out;
}

}  // namespace bk::client
