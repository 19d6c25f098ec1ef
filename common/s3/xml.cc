#include "common/s3/xml.h"

#include "common/error/error.h"
#include "common/handle/handle.h"
#include "common/s3/sigv4.h"
#include "common/text/escape.h"
#include "common/text/number.h"

#include <expat.h>

#include <functional>

namespace bk::s3 {
namespace {

constexpr std::size_t kMaxDepth = 8;
constexpr std::size_t kMaxText = 16U << 10U;  // of one element: a key of 1,024 bytes, each as %XX, is 3 KiB
constexpr std::size_t kMaxPath = 512;         // names of the elements one is in

[[noreturn]] void refuse(const std::string& why) {
  throw Error(Kind::Protocol, "the object store's answer: " + why);
}

using Parser = Handle<XML_ParserStruct, XML_ParserFree>;

// Calls `visit` at the end of each element with its path ("ListBucketResult/Contents/Key") and its own text.
class Walk {
 public:
  using Visit = std::function<void(std::string_view path, const std::string& text)>;
  explicit Walk(const Visit& visit) : visit_(visit), parser_(::XML_ParserCreate(nullptr)) {
    if (!parser_) throw std::bad_alloc();
    ::XML_SetUserData(parser_.get(), this);
    ::XML_SetElementHandler(parser_.get(), &begin, &end);
    ::XML_SetCharacterDataHandler(parser_.get(), &text);
    ::XML_SetStartDoctypeDeclHandler(parser_.get(), &doctype);
  }

  void run(std::string_view xml) {
    if (xml.size() > (64U << 20U)) refuse("longer than 64 MiB");
    const XML_Status status = ::XML_Parse(parser_.get(), xml.data(), static_cast<int>(xml.size()), XML_TRUE);
    guard_.rethrow();
    if (status != XML_STATUS_OK)
      refuse(std::string("not XML: ") + ::XML_ErrorString(::XML_GetErrorCode(parser_.get())));
  }

 private:
  template <class Body>
  static void guarded(void* user, Body&& body) noexcept {
    Walk& walk = *static_cast<Walk*>(user);
    if (walk.guard_.failed()) return;
    const int code = walk.guard_.run(1, [&] {
      body(walk);
      return 0;
    });
    if (code != 0) (void)::XML_StopParser(walk.parser_.get(), XML_FALSE);
  }
  static void begin(void* user, const XML_Char* name, const XML_Char**) noexcept {
    guarded(user, [&](Walk& walk) {
      const std::string_view word(name);
      if (walk.ends_.size() >= kMaxDepth || walk.path_.size() + word.size() > kMaxPath)
        refuse("elements within elements beyond any listing");
      walk.ends_.push_back(walk.path_.size());
      if (!walk.path_.empty()) walk.path_ += '/';
      walk.path_ += word;
      walk.text_.clear();
    });
  }
  static void end(void* user, const XML_Char*) noexcept {
    guarded(user, [&](Walk& walk) {
      walk.visit_(walk.path_, walk.text_);
      walk.path_.resize(walk.ends_.back());
      walk.ends_.pop_back();
      walk.text_.clear();
    });
  }
  static void text(void* user, const XML_Char* bytes, int size) noexcept {
    guarded(user, [&](Walk& walk) {
      if (walk.text_.size() + static_cast<std::size_t>(size) > kMaxText) refuse("an element is too long");
      walk.text_.append(bytes, static_cast<std::size_t>(size));
    });
  }
  static void doctype(void* user, const XML_Char*, const XML_Char*, const XML_Char*, int) noexcept {
    guarded(user, [](Walk&) { refuse("it has a document type"); });
  }

  const Visit& visit_;
  Parser parser_;
  CallbackGuard guard_;
  std::string path_, text_;
  std::vector<std::size_t> ends_;
};

void walk(std::string_view xml, const Walk::Visit& visit) { Walk(visit).run(xml); }

std::string unquoted(std::string text) {
  if (text.size() >= 2 && text.front() == '"' && text.back() == '"') return text.substr(1, text.size() - 2);
  return text;
}

class ListingReader {
 public:
  void visit(std::string_view path, const std::string& text) {
    if (!path.starts_with("ListBucketResult")) refuse("it is not a listing but " + quoted(path));
    path.remove_prefix(std::min<std::size_t>(path.size(), 17));
    if (path == "Contents") return finish_key();
    if (path.starts_with("Contents/")) return key_part(path.substr(9), text);
    if (path == "EncodingType") encoded_ = text == "url";
    if (path == "IsTruncated") out_.truncated = text == "true";
    if (path == "NextContinuationToken") out_.next_token = text;
  }

  Listing finish() {
    if (out_.truncated && out_.next_token.empty()) refuse("a truncated listing without a token to go on");
    if (!encoded_) return std::move(out_);
    for (ListedKey& key : out_.keys) {
      bool good = false;
      std::string bytes = uri_decode(key.key, good);
      if (!good) refuse("a key that is not encoded as it says: " + quoted(key.key));
      key.key = std::move(bytes);
    }
    return std::move(out_);
  }

 private:
  void key_part(std::string_view part, const std::string& text) {
    if (part == "Key") current_.key = text;
    if (part == "ETag") current_.etag = unquoted(text);
    if (part == "StorageClass") current_.storage_class = text;
    if (part == "Size") {
      const std::optional<std::uint64_t> bytes = parse_int<std::uint64_t>(text);
      if (!bytes) refuse("a size of " + quoted(text));
      current_.bytes = *bytes;
      sized_ = true;
    }
    if (part == "LastModified") {
      const std::optional<Timestamp> time = parse_timestamp(text);
      if (!time) refuse("a time of " + quoted(text));
      current_.modified = *time;
    }
  }
  void finish_key() {
    if (current_.key.empty() || !sized_) refuse("an object without a key or a size");
    if (current_.key.size() > 3 * kMaxKeyBytes) refuse("a key beyond 1,024 bytes");
    if (out_.keys.size() >= kMaxListedKeys) refuse("more than 10,000 keys at once");
    out_.keys.push_back(std::move(current_));
    current_ = {};
    sized_ = false;
  }

  Listing out_;
  ListedKey current_;
  bool sized_ = false, encoded_ = false;
};

}  // namespace

Listing parse_listing(std::string_view xml) {
  ListingReader reader;
  walk(xml, [&](std::string_view path, const std::string& text) { reader.visit(path, text); });
  Listing out = reader.finish();
  for (const ListedKey& key : out.keys) {
    if (key.key.size() > kMaxKeyBytes) refuse("a key beyond 1,024 bytes");
  }
  return out;
}

Fault parse_fault(std::string_view xml) {
  Fault out;
  try {
    walk(xml, [&](std::string_view path, const std::string& text) {
      if (path == "Error/Code") out.code = text;
      if (path == "Error/Message") out.message = text.substr(0, 300);
      if (path == "Error/Region") out.region = text.substr(0, 100);
    });
  } catch (const Error&) {
    // A proxy's page, or nothing: what was understood until there is all there is.
  }
  return out;
}

std::string parse_upload_id(std::string_view xml) {
  std::string out;
  walk(xml, [&](std::string_view path, const std::string& text) {
    if (path == "InitiateMultipartUploadResult/UploadId") out = text;
  });
  if (out.empty()) refuse("no upload's id");
  return out;
}

std::string parse_completed(std::string_view xml) {
  // Stores send blanks while they put the parts together.
  xml.remove_prefix(std::min(xml.size(), xml.find_first_not_of(" \t\r\n")));
  std::string out;
  bool completed = false;
  walk(xml, [&](std::string_view path, const std::string& text) {
    if (path == "CompleteMultipartUploadResult/ETag") out = unquoted(text);
    if (path == "CompleteMultipartUploadResult") completed = true;
  });
  if (!completed) refuse("it does not say that the upload is complete");
  return out;
}

}  // namespace bk::s3
