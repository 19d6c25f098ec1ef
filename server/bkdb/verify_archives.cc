#include "server/bkdb/verify_archives.h"

#include "common/digest/sha256.h"
#include "common/io/file.h"
#include "server/bkdb/content.h"
#include "server/store/tree.h"

#include <set>
#include <sstream>

namespace bk::bkdb {
namespace {

constexpr std::string_view kFirstLine = "bk-verified-archives 1\n";
constexpr std::uint64_t kMaxBytes = 1U << 28U;

// What an archive consists of and should be: equal ones of several snapshots are looked at once.
std::string digest_of(const store::SnapshotRecord& snapshot) {
  std::string out = snapshot.archive_sha256 + " " + std::to_string(snapshot.root.size);
  for (const Extent& e : snapshot.root.content)
    out += " " + std::to_string(static_cast<int>(e.kind)) + " " + std::to_string(e.bytes) + " " + e.id.hex() +
           e.inline_data;
  return Sha256::of(out).hex();
}

std::set<std::string> load(const std::string& path) {
  std::set<std::string> out;
  const std::optional<std::string> text = try_read_file(path, kMaxBytes);
  if (!text || !text->starts_with(kFirstLine)) return out;
  std::istringstream lines(text->substr(kFirstLine.size()));
  for (std::string line; std::getline(lines, line);) out.insert(line);
  return out;
}

void save(const std::string& path, const std::set<std::string>& known) {
  std::string text(kFirstLine);
  for (const std::string& one : known) text += one + "\n";
  replace_durably(path, text);
}

Reason wrong_with(store::Store& store, const store::SnapshotRecord& snapshot) {
  Sha256 hash;
  try {
    store::for_each_extent(store, snapshot.root, [](const Extent&) {});
    (void)stream_content(
        store, snapshot.root, [&](std::string_view bytes) { hash.update(bytes); }, true);
  } catch (const Error& error) {
    if (error.kind() != Kind::Corrupt) throw;
    return reason_of(error);
  }
  const std::string found = hash.finish().hex();
  if (found == snapshot.archive_sha256) return {};
  return {"the archive's SHA-256 is " + found + ", its client computed " + snapshot.archive_sha256};
}

}  // namespace

void check_archives(store::Store& store, const std::vector<const store::SnapshotRecord*>& snapshots,
                    std::unordered_map<std::string, Reason>& bad) {
  const std::string path = store.scratch() + "/verified-archives";
  std::set<std::string> known = load(path);
  const std::size_t before = known.size();
  std::unordered_map<std::string, Reason> wrong;
  for (const store::SnapshotRecord* snapshot : snapshots) {
    if (snapshot->archive_sha256.empty() || snapshot->root.type != EntryType::File) continue;
    const std::string digest = digest_of(*snapshot);
    if (known.contains(digest)) continue;
    const auto [at, is_new] = wrong.try_emplace(digest);
    if (is_new) at->second = wrong_with(store, *snapshot);
    if (at->second.empty())
      known.insert(digest);
    else
      bad[snapshot->id] = at->second;
  }
  if (known.size() != before) save(path, known);
}

}  // namespace bk::bkdb
