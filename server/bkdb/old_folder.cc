#include "server/bkdb/old_folder.h"

#include "common/digest/sha256.h"
#include "common/error/error.h"
#include "common/io/fd.h"
#include "common/io/file.h"
#include "common/text/escape.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <set>

namespace bk::bkdb {
namespace {

constexpr std::string_view kObject = "@obj_";

std::vector<std::string> split(std::string_view text, std::string_view separators) {
  std::vector<std::string> out(1);
  for (const char c : text) {
    if (separators.find(c) == std::string_view::npos)
      out.back() += c;
    else
      out.emplace_back();
  }
  return out;
}

bool is_digest(std::string_view text) {
  return text.size() == 64 && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

bool is_object(std::string_view name) {
  return name.starts_with(kObject) && is_digest(name.substr(kObject.size()));
}

// Six decimal numbers with "-" and "_" between them, the year counted from 2000 (F004-6).
std::optional<Timestamp> parse_time(std::string_view text, std::string& reason) {
  const std::vector<std::string> parts = split(text, "-_");
  std::array<int, 6> numbers{};
  reason = "Bad datetime representation";
  if (parts.size() != numbers.size()) return std::nullopt;
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    const std::string& part = parts[i];
    const auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), numbers[i]);
    if (part.empty() || error != std::errc() || end != part.data() + part.size()) return std::nullopt;
  }
  reason = "Invalid datetime field";
  const CivilTime civil{2000 + numbers[0], numbers[1], numbers[2], numbers[3], numbers[4], numbers[5]};
  const std::optional<std::int64_t> seconds = from_utc(civil);
  if (!seconds) return std::nullopt;
  reason.clear();
  return Timestamp{*seconds, 0};
}

// The old system wrote both alphabets of base64, with padding.
std::optional<std::string> decode_source(std::string text) {
  std::replace(text.begin(), text.end(), '+', '-');
  std::replace(text.begin(), text.end(), '/', '_');
  if (std::optional<std::string> out = base64url_decode(text)) return out;
  while (text.ends_with('=')) text.pop_back();
  if (std::optional<std::string> out = base64url_decode(text)) return out;
  text.append((4 - text.size() % 4) % 4, '=');
  return base64url_decode(text);
}

std::string link_target(const std::string& path) {
  std::string out(4096, '\0');
  const ssize_t length = ::readlink(path.c_str(), out.data(), out.size());
  check_sys(length, [&] { return "reading the link " + quoted(path); });
  out.resize(static_cast<std::size_t>(length));
  return out;
}

// Where a link in `folder` leads, by its spelling.
std::string absolute_target(const std::string& folder, const std::string& target) {
  if (target.starts_with('/')) return target;
  return folder + "/" + (target.starts_with("./") ? target.substr(2) : target);
}

}  // namespace

std::optional<OldEntry> parse_old_entry(const std::string& file, std::string& reason) {
  const std::vector<std::string> fields = split(file, " ");
  if (fields.size() != 3) {
    reason = "Unexpected number of fields";
    return std::nullopt;
  }
  OldEntry out;
  out.file = file;
  const std::optional<Timestamp> time = parse_time(fields[1], reason);
  if (!time) return std::nullopt;
  out.time = *time;
  if (!is_digest(fields[2])) {
    reason = "Its third field is no SHA-256";
    return std::nullopt;
  }
  out.sha256 = fields[2];
  out.source = decode_source(fields[0]).value_or(fields[0]);
  return out;
}

std::optional<OldFolder> OldFolder::open(const std::string& folder) {
  OldFolder out(folder);
  const std::vector<std::string> names = list_directory(folder);
  const bool any_object = std::any_of(names.begin(), names.end(), is_object);
  std::string reason;
  const auto is_entry = [&](const std::string& name) { return parse_old_entry(name, reason).has_value(); };
  if (!any_object && std::none_of(names.begin(), names.end(), is_entry)) return std::nullopt;
  for (const std::string& name : names) out.take(name);
  out.find_unreferenced(names);
  return out;
}

void OldFolder::take(const std::string& name) {
  const std::string path = path_ + "/" + name;
  struct stat info {};
  if (name.starts_with('@') || name.ends_with(".tmp") || ::lstat(path.c_str(), &info) != 0 ||
      S_ISDIR(info.st_mode))
    return;
  std::string reason;
  std::optional<OldEntry> entry = parse_old_entry(name, reason);
  if (entry && S_ISLNK(info.st_mode)) {
    const std::string object = std::string(kObject) + entry->sha256;
    const std::string target = link_target(path);
    if (absolute_target(path_, target) != path_ + "/" + object && base_name(target) != object)
      reason = "Links to " + quoted(target) + ", not datachunk " + quoted(object);
    entry->there = ::stat((path_ + "/" + object).c_str(), &info) == 0 && S_ISREG(info.st_mode);
  } else if (entry) {
    entry->there = S_ISREG(info.st_mode);
  }
  if (!reason.empty()) {
    ignored_.push_back("Ignore " + quoted(name) + ": " + reason);
    return;
  }
  entries_.push_back(*std::move(entry));
}

void OldFolder::find_unreferenced(const std::vector<std::string>& names) {
  std::set<std::string> named;
  for (const OldEntry& entry : entries_) named.insert(std::string(kObject) + entry.sha256);
  for (const std::string& name : names)
    if (is_object(name) && !named.contains(name)) unreferenced_.push_back(name);
}

std::vector<Source> OldFolder::sources() const {
  std::vector<OldEntry> sorted = entries_;
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const OldEntry& a, const OldEntry& b) { return a.time < b.time; });
  std::vector<store::SnapshotRecord> records;
  for (const OldEntry& entry : sorted) {
    store::SnapshotRecord record;
    record.method = "sftp";
    record.name = entry.source;
    record.id = record.archive_sha256 = entry.sha256;
    record.sequence = records.size() + 1;
    record.began = record.ended = entry.time;
    record.root.type = EntryType::File;
    record.by = entry.file;
    Extent extent;
    extent.kind = Extent::Kind::Inline;  // stands for the content: two are equal when their digests are
    extent.inline_data = entry.sha256;
    extent.bytes = record.root.size = entry.sha256.size();
    record.root.content.push_back(extent);
    record.files = 1;
    record.skipped_count = entry.there ? 0 : 1;  // shown as an archive that is missing
    records.push_back(std::move(record));
  }
  return group_sources(std::move(records), {});
}

const OldEntry& OldFolder::entry_of(const store::SnapshotRecord& snapshot) const {
  return *std::find_if(entries_.begin(), entries_.end(),
                       [&](const OldEntry& entry) { return entry.file == snapshot.by; });
}

std::string OldFolder::read(const OldEntry& entry, const std::function<void(std::string_view)>& sink) const {
  const std::string own = path_ + "/" + entry.file;
  struct stat info {};
  const bool link = ::lstat(own.c_str(), &info) == 0 && S_ISLNK(info.st_mode);
  // The object beside the entry, wherever a link of a moved folder may lead.
  const std::string path = link ? path_ + "/" + std::string(kObject) + entry.sha256 : own;
  const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (!fd && (errno == ENOENT || errno == ELOOP)) return "its archive is missing";
  check_sys(fd.get(), [&] { return "opening " + quoted(path); });
  Sha256 hash;
  std::string buffer(1U << 20U, '\0');
  for (std::size_t got = 0; (got = read_up_to(fd.get(), buffer.data(), buffer.size())) != 0;) {
    const std::string_view piece = std::string_view(buffer).substr(0, got);
    hash.update(piece);
    if (sink) sink(piece);
  }
  const std::string found = hash.finish().hex();
  return found == entry.sha256 ? "" : "corrupted: its SHA-256 is " + found;
}

}  // namespace bk::bkdb
