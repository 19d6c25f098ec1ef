#include "server/store/damage_list.h"

#include "common/error/error.h"
#include "common/io/file.h"
#include "common/io/lock.h"
#include "common/text/document.h"
#include "server/store/bad_sectors.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <sstream>

namespace bk::store {
namespace {

constexpr std::uint64_t kMaxBytes = 64U << 20U;  // of the file: a million places

}  // namespace

DamageList::Version DamageList::version() const {
  struct stat info {};
  if (::stat(path_.c_str(), &info) != 0) return {};
  return {info.st_ino, static_cast<std::uint64_t>(info.st_size), info.st_ctim.tv_sec, info.st_ctim.tv_nsec};
}

void DamageList::refresh() {
  const Version now = version();
  if (now == seen_) return;
  seen_ = now;
  places_.clear();
  snapshots_.clear();
  if (now.inode == 0) return;
  try {
    parse(read_file(path_, kMaxBytes));
  } catch (const Error& error) {
    const bool lost = error.sys_errno() == ENOENT || error.sys_errno() == EFBIG || is_media_error(error);
    if (error.kind() == Kind::Io && !lost) throw;
    places_.clear();
    snapshots_.clear();
  }
}

void DamageList::parse(const std::string& text) {
  const Document doc = Document::parse(text, "bk-damaged");
  for (const std::string& line : doc.all("place")) {
    std::istringstream in(line);
    std::uint64_t pack = 0;
    Range range;
    if (in >> pack >> range.from >> range.to) places_[pack].push_back(range);
  }
  for (const std::string& id : doc.all("snapshot")) snapshots_.insert(id);
}

std::string DamageList::text() const {
  Document doc("bk-damaged", 1);
  for (const auto& [pack, ranges] : places_)
    for (const Range& range : ranges) doc.add("place", fmt::format("{} {} {}", pack, range.from, range.to));
  for (const std::string& id : snapshots_) doc.add("snapshot", id);
  return doc.write();
}

// Very many places become one for each pack: what is between them is sent again, too.
void DamageList::save() {
  std::string bytes = text();
  if (bytes.size() > kMaxBytes) {
    for (auto& [pack, ranges] : places_) ranges = {hull(ranges)};
    bytes = text();
  }
  replace_durably(path_, bytes);
  seen_ = version();
}

DamageList::Range DamageList::hull(const std::vector<Range>& ranges) {
  Range out = ranges.front();
  for (const Range& range : ranges) out = {std::min(out.from, range.from), std::max(out.to, range.to)};
  return out;
}

bool DamageList::covers(std::uint64_t pack, std::uint64_t offset) const {
  const auto known = places_.find(pack);
  if (known == places_.end()) return false;
  return std::any_of(known->second.begin(), known->second.end(),
                     [&](const Range& range) { return range.from <= offset && offset < range.to; });
}

void DamageList::note(const std::set<std::uint64_t>& packs, const std::vector<DamagedPlace>& places) {
  refresh();
  const auto known = [&](std::uint64_t pack) { return places_.contains(pack); };
  if (places.empty() && std::none_of(packs.begin(), packs.end(), known)) return;
  const FileLock lock = FileLock::exclusive(path_ + ".lock");
  refresh();
  for (const std::uint64_t pack : packs) places_.erase(pack);
  for (const DamagedPlace& place : places) places_[place.pack].push_back({place.from, place.to});
  if (places_.empty()) snapshots_.clear();
  save();
}

void DamageList::note_snapshots(const std::vector<std::string>& snapshots) {
  refresh();
  const auto known = [&](const std::string& id) { return snapshots_.contains(id); };
  if (std::all_of(snapshots.begin(), snapshots.end(), known)) return;
  const FileLock lock = FileLock::exclusive(path_ + ".lock");
  refresh();
  snapshots_.insert(snapshots.begin(), snapshots.end());
  save();
}

std::vector<DamagedPlace> DamageList::places() const {
  std::vector<DamagedPlace> out;
  for (const auto& [pack, ranges] : places_)
    for (const Range& range : ranges) out.push_back({pack, range.from, range.to});
  return out;
}

}  // namespace bk::store
