#include "server/pull/archive_resume.h"

#include "common/error/error.h"
#include "common/io/file.h"
#include "common/text/document.h"
#include "common/text/number.h"

namespace bk::pull {
namespace {

constexpr std::uint64_t kMaxResumeBytes = 256ULL << 20U;

char letter_of(Extent::Kind kind) {
  switch (kind) {
    case Extent::Kind::Chunk:
      return 'c';
    case Extent::Kind::Hole:
      return 'h';
    case Extent::Kind::Inline:
      return 'i';
    case Extent::Kind::List:
      return 'l';
  }
  return '?';
}

Extent parse_extent(const std::string& text) {
  const auto bad = [&] { return Error(Kind::Protocol, "extent: not \"<kind> <bytes> <what>\""); };
  const std::size_t second = text.find(' ', 2);
  if (text.size() < 5 || text[1] != ' ' || second == std::string::npos) throw bad();
  Extent extent;
  const std::optional<std::uint64_t> bytes =
      parse_int<std::uint64_t>(std::string_view(text).substr(2, second - 2), 1);
  if (!bytes) throw bad();
  extent.bytes = *bytes;
  const std::string rest = text.substr(second + 1);
  if (text.front() == 'i') {
    extent.kind = Extent::Kind::Inline;
    extent.inline_data = rest;
    if (rest.size() != extent.bytes) throw bad();
    return extent;
  }
  const std::optional<Digest> id = Digest::from_hex(rest);
  if (!id || (text.front() != 'c' && text.front() != 'l')) throw bad();
  extent.kind = text.front() == 'c' ? Extent::Kind::Chunk : Extent::Kind::List;
  extent.id = *id;
  return extent;
}

}  // namespace

std::string write_extents(const std::vector<Extent>& extents) {
  Document doc("bk-archive-resume", 1);
  for (const Extent& extent : extents) {
    doc.add("extent", std::string(1, letter_of(extent.kind)) + " " + std::to_string(extent.bytes) + " " +
                          (extent.kind == Extent::Kind::Inline ? extent.inline_data : extent.id.hex()));
  }
  return doc.write();
}

std::vector<Extent> parse_extents(std::string_view text) {
  const Document doc = Document::parse(text, "bk-archive-resume");
  doc.allow_only({"extent"});
  std::vector<Extent> out;
  for (const std::string& line : doc.all("extent")) out.push_back(parse_extent(line));
  return out;
}

ArchiveResume::ArchiveResume(const std::string& home, const std::string& client, const std::string& sha256,
                             std::uint64_t bytes)
    : folder_(home + "/tmp/archives"),
      path_(folder_ + "/" + client + "." + sha256 + "." + std::to_string(bytes)) {}

std::vector<Extent> ArchiveResume::load() const {
  const std::optional<std::string> text = try_read_file(path_, kMaxResumeBytes);
  if (!text) return {};
  try {
    return parse_extents(*text);
  } catch (const Error& error) {
    if (error.kind() != Kind::Protocol) throw;
    return {};
  }
}

void ArchiveResume::save(const std::vector<Extent>& extents) const {
  ensure_directory(folder_);
  replace_durably(path_, write_extents(extents));
}

void ArchiveResume::forget() const { remove_durably(path_); }

}  // namespace bk::pull
