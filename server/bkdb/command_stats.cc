#include "common/io/file.h"
#include "server/bkdb/commands.h"
#include "server/bkdb/json.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <set>

namespace bk::bkdb {
namespace {

// Of all files below a folder; few and large ones, so this is quick.
std::uint64_t disk_bytes(const std::string& folder) {
  std::uint64_t sum = 0;
  std::vector<std::string> folders = {folder};
  while (!folders.empty()) {
    const std::string at = folders.back();
    folders.pop_back();
    for (const std::string& name : list_directory(at)) {
      struct stat st {};
      const std::string path = at + "/" + name;
      if (::lstat(path.c_str(), &st) != 0) continue;  // gone while we looked
      sum += static_cast<std::uint64_t>(st.st_blocks) * 512;
      if (S_ISDIR(st.st_mode)) folders.push_back(path);
    }
  }
  return sum;
}

}  // namespace

int run_stats(Session& session, const Words& words) {
  std::uint64_t snapshots = 0, sources = 0, files = 0, newest = 0, all = 0, skipped = 0;
  std::set<std::string> clients;
  for (const Selected& selected : session.select_some(words, Session::Default::All)) {
    const Source& source = session.sources()[selected.source];
    clients.insert(source.client);
    ++sources;
    const store::SnapshotRecord& last =
        source.snapshots[*std::max_element(selected.snapshots.begin(), selected.snapshots.end())];
    files += last.files;
    newest += last.bytes;
    skipped += last.skipped_count;
    snapshots += selected.snapshots.size();
    for (const std::size_t at : selected.snapshots) all += source.snapshots[at].bytes;
  }
  const std::vector<std::pair<std::string, std::uint64_t>> numbers = {
      {"clients", clients.size()}, {"sources", sources},
      {"snapshots", snapshots},    {"newest_files", files},
      {"newest_bytes", newest},    {"newest_skipped", skipped},
      {"all_bytes", all},          {"store_disk_bytes", disk_bytes(session.store_directory())},
  };
  if (session.json()) {
    print(numbers_json(numbers));
    return 0;
  }
  for (const auto& [name, value] : numbers) print(fmt::format("{:<18} {}\n", name, value));
  return 0;
}

}  // namespace bk::bkdb
