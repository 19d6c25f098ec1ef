// Contents into a bucket: in one request, or in parts ("Uploading and copying objects using multipart upload"
// of the Amazon S3 user guide).
#include "common/digest/hasher.h"
#include "common/error/error.h"
#include "common/s3/call.h"
#include "common/s3/fault.h"
#include "common/text/escape.h"

#include <fmt/format.h>

#include <algorithm>

namespace bk::s3 {
namespace {

constexpr std::uint64_t kMostParts = 10'000;
constexpr std::uint64_t kLargestObject = 5ULL << 40U;
constexpr std::uint64_t kMiB = 1U << 20U;

// As few parts as the setting says, and never more than a store takes.
std::uint64_t part_size(std::uint64_t bytes, std::uint64_t wanted) {
  const std::uint64_t least = (bytes + kMostParts - 1) / kMostParts;
  return least <= wanted ? wanted : (least + kMiB - 1) / kMiB * kMiB;
}

// What is read, and its MD5 once it was read to its end.
class Sent {
 public:
  explicit Sent(const Bucket::ReadAt& read) : read_(read) {}
  std::size_t operator()(std::uint64_t offset, char* into, std::size_t size) {
    if (offset == 0) md5_ = Hasher(HashKind::Md5);  // an attempt begins anew
    const std::size_t got = read_(offset, into, size);
    md5_.update({into, got});
    return got;
  }
  [[nodiscard]] std::string digest() { return md5_.finish(); }

 private:
  const Bucket::ReadAt& read_;
  Hasher md5_{HashKind::Md5};
};

std::string etag_in(const http::Response& response) {
  std::string out = response.header("etag");
  std::erase(out, '"');
  return out;
}

// Where the ETag is the MD5 of what came, it must be that of what was sent.
void check_taken(const http::Response& response, const std::string& raw, const std::string& what) {
  const std::string said = facts_of(response).md5();
  if (!said.empty() && said != hex_encode(raw))
    throw Error(Kind::Corrupt, fmt::format("{}: the store says that the MD5 of what came is {}, but {} was "
                                           "sent: it did not arrive as it is",
                                           what, said, hex_encode(raw)));
}

std::string composite(const std::string& digests) {
  return fmt::format("{}-{}", hex_encode(Hasher::of(HashKind::Md5, digests)), digests.size() / 16);
}

Bucket::ReadAt from_text(const std::string& text) {
  return [&text](std::uint64_t offset, char* into, std::size_t size) {
    return text.copy(into, size, static_cast<std::size_t>(offset));
  };
}

}  // namespace

std::string Bucket::put(const std::string& key, std::uint64_t bytes, const ReadAt& read,
                        const Describe& describe) {
  if (bytes > kLargestObject)
    throw Error(Kind::Usage, quoted(key) + " is larger than the 5 TiB that an object may have");
  return bytes <= settings_.part_bytes ? put_whole(key, bytes, read, describe)
                                       : put_in_parts(key, bytes, read, describe);
}

std::string Bucket::put(const std::string& key, std::string_view bytes, const Describe& describe) {
  return put(
      key, bytes.size(),
      [&](std::uint64_t offset, char* into, std::size_t size) {
        return bytes.copy(into, size, static_cast<std::size_t>(offset));
      },
      describe);
}

std::string Bucket::etag_of(std::uint64_t bytes, const ReadAt& read) const {
  const bool whole = bytes <= settings_.part_bytes;
  const std::uint64_t step =
      whole ? std::max<std::uint64_t>(bytes, 1) : part_size(bytes, settings_.part_bytes);
  std::string buffer(256U << 10U, '\0');
  std::string digests;
  for (std::uint64_t begin = 0; begin < bytes || digests.empty(); begin += step) {
    Hasher md5(HashKind::Md5);
    const std::uint64_t end = std::min(begin + step, bytes);
    for (std::uint64_t at = begin; at < end;) {
      const std::size_t got =
          read(at, buffer.data(), static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), end - at)));
      if (got == 0) break;
      md5.update(std::string_view(buffer).substr(0, got));
      at += got;
    }
    digests += md5.finish();
  }
  return whole ? hex_encode(digests) : composite(digests);
}

std::string Bucket::put_whole(const std::string& key, std::uint64_t bytes, const ReadAt& read,
                              const Describe& describe) {
  Sent sent(read);
  Call call;
  call.method = "PUT";
  call.key = key;
  call.headers = describe.headers;
  if (!describe.content_type.empty()) call.headers["content-type"] = describe.content_type;
  call.body_bytes = bytes;
  call.body = std::ref(sent);
  const http::Response response = exchange(call);
  check_taken(response, sent.digest(), quoted(key) + " in " + shown());
  return etag_in(response);
}

std::string Bucket::put_in_parts(const std::string& key, std::uint64_t bytes, const ReadAt& read,
                                 const Describe& describe) {
  Call begin;
  begin.method = "POST";
  begin.key = key;
  begin.parameters = {{"uploads", ""}};
  begin.headers = describe.headers;
  if (!describe.content_type.empty()) begin.headers["content-type"] = describe.content_type;
  begin.body = [](std::uint64_t, char*, std::size_t) -> std::size_t { return 0; };
  const std::string upload = parse_upload_id(exchange(begin).body);
  try {
    const std::uint64_t step = part_size(bytes, settings_.part_bytes);
    std::string parts, digests;
    for (std::uint64_t at = 0; at < bytes; at += step) {
      const ReadAt part = [&, at](std::uint64_t offset, char* into, std::size_t size) {
        return read(at + offset, into, size);
      };
      const std::uint64_t number = at / step + 1;
      parts += fmt::format("<Part><PartNumber>{}</PartNumber><ETag>\"{}\"</ETag></Part>", number,
                           put_part(key, upload, number, std::min(step, bytes - at), part, digests));
    }
    return complete(key, upload, parts, composite(digests));
  } catch (const Error&) {
    // Parts cost room for as long as their upload is open.
    Call end;
    end.method = "DELETE";
    end.key = key;
    end.parameters = {{"uploadId", upload}};
    end.missing_is_fine = true;
    try {
      (void)exchange(end);
    } catch (const Error&) {  // what went wrong before says more
    }
    throw;
  }
}

std::string Bucket::put_part(const std::string& key, const std::string& upload, std::uint64_t number,
                             std::uint64_t bytes, const ReadAt& read, std::string& digests) {
  Sent sent(read);
  Call call;
  call.method = "PUT";
  call.key = key;
  call.parameters = {{"partNumber", std::to_string(number)}, {"uploadId", upload}};
  call.body_bytes = bytes;
  call.body = std::ref(sent);
  const http::Response response = exchange(call);
  const std::string raw = sent.digest();
  check_taken(response, raw, fmt::format("part {} of {} in {}", number, quoted(key), shown()));
  digests += raw;
  std::string etag = etag_in(response);
  if (etag.empty() || etag.find_first_of("<>&\"") != std::string::npos)
    throw Error(Kind::Protocol, shown() + " gives a part the ETag " + quoted(etag));
  return etag;
}

// `wanted`: the ETag where the store makes it of the parts'.
std::string Bucket::complete(const std::string& key, const std::string& upload, const std::string& parts,
                             const std::string& wanted) {
  const std::string body = "<CompleteMultipartUpload>" + parts + "</CompleteMultipartUpload>";
  Call call;
  call.method = "POST";
  call.key = key;
  call.parameters = {{"uploadId", upload}};
  call.headers["content-type"] = "application/xml";
  call.body_bytes = body.size();
  call.body = from_text(body);
  call.missing_is_fine = true;
  http::Response response = exchange(call);
  const std::string code = parse_fault(response.body).code;
  if (response.status / 100 != 2 || !code.empty()) {
    // An answer that was lost, and asked for again: the upload is not open any more, because the object is
    // there.
    const std::optional<ObjectFacts> there = code == "NoSuchUpload" ? head(key) : std::nullopt;
    if (there && there->etag == wanted) return wanted;
    if (response.status / 100 == 2) response.status = 500;  // a failure that began as a success
    refuse(call, response);
  }
  const std::string etag = parse_completed(response.body);
  if (etag.size() == wanted.size() && etag.ends_with(wanted.substr(32)) && etag != wanted &&
      facts_of(response).encryption.empty())
    throw Error(Kind::Corrupt, fmt::format("{} in {}: the store says ETag {} where {} was sent", quoted(key),
                                           shown(), etag, wanted));
  return etag;
}

}  // namespace bk::s3
