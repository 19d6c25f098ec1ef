#include "server/store/snapshot.h"

#include "common/crypt/hpke.h"
#include "common/error/error.h"
#include "common/path/names.h"
#include "common/text/document.h"
#include "common/text/escape.h"
#include "common/text/number.h"

#include <algorithm>

namespace bk::store {
namespace {

[[noreturn]] void refuse(const std::string& why) { throw Error(Kind::Protocol, why); }

Digest digest_of(const std::string& key, std::string_view hex) {
  const std::optional<Digest> digest = Digest::from_hex(hex);
  if (!digest) refuse(key + ": " + quoted(hex.substr(0, 80)) + " is not a digest");
  return *digest;
}

Timestamp time_of(const Document& doc, std::string_view key) {
  const std::optional<Timestamp> time = parse_timestamp(doc.get(key));
  if (!time) refuse(std::string(key) + " is not a time");
  return *time;
}

// "chunk <hex> <bytes>", "list <hex> <bytes>", "hole <bytes>", "inline <bytes as they are>"
std::string write_extent(const Extent& extent) {
  switch (extent.kind) {
    case Extent::Kind::Hole:
      return "hole " + std::to_string(extent.bytes);
    case Extent::Kind::Inline:
      return "inline " + extent.inline_data;
    case Extent::Kind::Chunk:
      return "chunk " + extent.id.hex() + " " + std::to_string(extent.bytes);
    case Extent::Kind::List:
      return "list " + extent.id.hex() + " " + std::to_string(extent.bytes);
  }
  bug(__FILE__, __LINE__, "extent kind");
}

std::uint64_t length_of(std::string_view text) {
  const std::optional<std::uint64_t> bytes = parse_int<std::uint64_t>(text);
  if (!bytes) refuse("root-extent: " + quoted(text.substr(0, 80)) + " is not a length");
  return *bytes;
}

Extent parse_extent(std::string_view text) {
  Extent out;
  const std::size_t space = std::min(text.find(' '), text.size());
  const std::string_view kind = text.substr(0, space);
  const std::string_view rest = space == text.size() ? std::string_view() : text.substr(space + 1);
  if (kind == "hole") {
    out.kind = Extent::Kind::Hole;
    out.bytes = length_of(rest);
  } else if (kind == "inline") {
    out.kind = Extent::Kind::Inline;
    out.inline_data = rest;
    out.bytes = rest.size();
  } else if (kind == "chunk" || kind == "list") {
    out.kind = kind == "chunk" ? Extent::Kind::Chunk : Extent::Kind::List;
    if (rest.size() < 66 || rest[64] != ' ') refuse("root-extent: an identity and a length are expected");
    out.id = digest_of("root-extent", rest.substr(0, 64));
    out.bytes = length_of(rest.substr(65));
  } else {
    refuse("root-extent: unknown kind " + quoted(kind.substr(0, 20)));
  }
  return out;
}

void write_root(const Entry& root, Document& doc) {
  doc.add("root-type", std::string(1, static_cast<char>(root.type)));
  doc.add("root-mode", root.mode).add("root-uid", root.uid).add("root-gid", root.gid);
  doc.add("root-size", root.size);
  doc.add("root-mtime", to_text(root.mtime)).add("root-ctime", to_text(root.ctime));
  doc.add("root-device", root.device).add("root-inode", root.inode).add("root-links", root.links);
  for (const Xattr& xattr : root.xattrs)
    doc.add("root-xattr", hex_encode(xattr.name) + " " + hex_encode(xattr.value));
  if (root.type == EntryType::Directory) {
    doc.add("root-node", root.node.hex()).add("root-listing", root.listing.hex());
    doc.add("root-subdirectories", root.has_subdirectories ? 1U : 0U);
  }
  for (const Extent& extent : root.content) doc.add("root-extent", write_extent(extent));
  if (root.changed_while_read) doc.add("root-changed", 1U);
  if (root.unreadable) doc.add("root-unreadable", 1U);
}

Xattr parse_xattr(const std::string& text) {
  const std::size_t space = std::min(text.find(' '), text.size());
  const std::optional<std::string> name = hex_decode(text.substr(0, space));
  const std::optional<std::string> value =
      hex_decode(space == text.size() ? std::string() : text.substr(space + 1));
  if (!name || !value) refuse("root-xattr is not two hex strings");
  return {*name, *value};
}

Entry parse_root(const Document& doc) {
  Entry root;
  const std::string type = doc.get("root-type");
  if (type != "d" && type != "f") refuse("root-type: a root is a directory (d) or a file (f)");
  root.type = static_cast<EntryType>(type[0]);
  root.mode = static_cast<std::uint32_t>(doc.get_number("root-mode", 07777));
  root.uid = static_cast<std::uint32_t>(doc.get_number("root-uid", UINT32_MAX));
  root.gid = static_cast<std::uint32_t>(doc.get_number("root-gid", UINT32_MAX));
  root.size = doc.get_number("root-size");
  root.mtime = time_of(doc, "root-mtime");
  root.ctime = time_of(doc, "root-ctime");
  root.device = doc.get_number("root-device");
  root.inode = doc.get_number("root-inode");
  root.links = doc.get_number("root-links");
  for (const std::string& xattr : doc.all("root-xattr")) root.xattrs.push_back(parse_xattr(xattr));
  if (root.type == EntryType::Directory) {
    root.node = digest_of("root-node", doc.get("root-node"));
    root.listing = digest_of("root-listing", doc.get("root-listing"));
    root.has_subdirectories = doc.get_number("root-subdirectories", 1) == 1;
  }
  for (const std::string& extent : doc.all("root-extent")) root.content.push_back(parse_extent(extent));
  root.changed_while_read = doc.find_number("root-changed", 1).value_or(0) == 1;
  root.unreadable = doc.find_number("root-unreadable", 1).value_or(0) == 1;
  return root;
}

void parse_seal(const Document& doc, SnapshotRecord& out) {
  out.seal = doc.find("seal").value_or("");
  const std::string sealed = doc.find("sealed-root").value_or("");
  if (out.seal.empty() && sealed.empty()) return;
  const std::optional<std::string> name = hex_decode(out.seal);
  if (!name || name->size() != 16) refuse("seal: " + quoted(out.seal.substr(0, 80)) + " names no key");
  const std::optional<std::string> bytes = hex_decode(sealed);
  if (!bytes || bytes->size() != 32 + kHpkeBytes) refuse("sealed-root has another length");
  if (out.root.type != EntryType::Directory) refuse("root-type: a sealed root is a directory (d)");
  if (!out.archive_sha256.empty()) refuse("archive-sha256 of a sealed source would tell what it is");
  out.sealed_root = *bytes;
}

std::string safe(const Document& doc, std::string_view key) {
  std::string value = doc.get(key);
  if (!is_safe_name(value))
    refuse(std::string(key) + ": " + quoted(value.substr(0, 80)) + " is not a safe name");
  return value;
}

}  // namespace

std::string write_snapshot(const SnapshotRecord& record) {
  Document doc("bk-snapshot", 1);
  doc.add("client", record.client).add("module", record.module).add("method", record.method);
  doc.add("name", record.name).add("sequence", record.sequence);
  doc.add("began", to_text(record.began)).add("ended", to_text(record.ended));
  doc.add_if("by", record.by);
  for (const std::string& request : record.requests) doc.add("request", request);
  doc.add_if("archive-sha256", record.archive_sha256);
  doc.add_if("seal", record.seal).add_if("sealed-root", hex_encode(record.sealed_root));
  write_root(record.root, doc);
  doc.add("files", record.files).add("directories", record.directories).add("others", record.others);
  doc.add("bytes", record.bytes);
  for (const std::string& skipped : record.skipped) doc.add("skipped", skipped);
  doc.add("skipped-count", record.skipped_count);
  doc.add("previous", record.previous);
  return doc.write();
}

SnapshotRecord parse_snapshot(std::string_view text) {
  const Document doc = Document::parse(text, "bk-snapshot");
  doc.allow_only({"client",         "module",       "method",
                  "name",           "sequence",     "began",
                  "ended",          "by",           "request",
                  "archive-sha256", "root-type",    "root-mode",
                  "root-uid",       "root-gid",     "root-size",
                  "root-mtime",     "root-ctime",   "root-device",
                  "root-inode",     "root-links",   "root-xattr",
                  "root-node",      "root-listing", "root-subdirectories",
                  "root-extent",    "root-changed", "root-unreadable",
                  "files",          "directories",  "others",
                  "bytes",          "skipped",      "skipped-count",
                  "previous",       "seal",         "sealed-root"});
  SnapshotRecord out;
  out.id = Sha256::of(text).hex();
  out.client = safe(doc, "client");
  out.module = safe(doc, "module");
  out.method = safe(doc, "method");
  out.name = doc.get("name");
  out.sequence = doc.get_number("sequence");
  if (out.sequence == 0) refuse("sequence: counts from 1");
  out.began = time_of(doc, "began");
  out.ended = time_of(doc, "ended");
  out.by = doc.find("by").value_or("");
  out.requests = doc.all("request");
  out.archive_sha256 = doc.find("archive-sha256").value_or("");
  if (!out.archive_sha256.empty()) (void)digest_of("archive-sha256", out.archive_sha256);
  out.root = parse_root(doc);
  parse_seal(doc, out);
  out.files = doc.get_number("files");
  out.directories = doc.get_number("directories");
  out.others = doc.get_number("others");
  out.bytes = doc.get_number("bytes");
  out.skipped = doc.all("skipped");
  if (out.skipped.size() > kMaxSkippedLines) refuse("skipped: more lines than allowed");
  out.skipped_count = doc.get_number("skipped-count");
  out.previous = doc.get("previous");
  if (out.previous != "none") (void)digest_of("previous", out.previous);
  return out;
}

}  // namespace bk::store
