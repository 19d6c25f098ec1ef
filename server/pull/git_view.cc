#include "server/pull/git_view.h"

#include "common/digest/sha256.h"
#include "common/error/error.h"
#include "common/io/file.h"
#include "common/path/names.h"
#include "common/text/escape.h"
#include "server/store/tree.h"

#include <fcntl.h>

#include <algorithm>
#include <map>

namespace bk::pull {
namespace {

constexpr std::size_t kLongestComponent = 240;
constexpr std::size_t kLongestPath = 3000;
constexpr const char* kToken = "backline-snapshot";
constexpr const char* kNew = ".new";  // a mirror in the making

bool looks_like_mirror(std::string_view component) {
  while (component.ends_with('~')) component.remove_suffix(1);
  return component.ends_with(".git");
}

bool is_hex(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

// Writes the files of a snapshot's tree below a new folder.
class Rebuilder {
 public:
  Rebuilder(store::Store& store, const std::function<void()>& alive) : store_(store), alive_(alive) {}
  void directory(const ChunkId& node, const std::string& at, const std::string& relative) {
    ensure_directory(at);
    store::DirectoryReader reader(store_, node);
    while (std::optional<Entry> entry = reader.next()) {
      const std::string path = relative.empty() ? entry->name : relative + "/" + entry->name;
      // The depth is that of a mirror: three levels.
      if (!is_component(entry->name) || !belongs_to_git_snapshot(path)) continue;
      if (entry->type == EntryType::Directory) directory(entry->node, at + "/" + entry->name, path);
      if (entry->type == EntryType::File) file(*entry, at + "/" + entry->name);
    }
  }

 private:
  void file(const Entry& entry, const std::string& at) {
    Fd fd = open_file(at, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
    std::uint64_t written = 0;
    store::for_each_extent(store_, entry, [&](const Extent& extent) {
      alive_();
      if (extent.kind == Extent::Kind::Hole) throw Error(Kind::Corrupt, "a git file with a hole");
      const std::string bytes =
          extent.kind == Extent::Kind::Inline ? extent.inline_data : store_.read(ObjectKind::Data, extent.id);
      write_all(fd.get(), bytes);
      written += bytes.size();
    });
    if (written != entry.size) throw Error(Kind::Corrupt, quoted(at) + " has another length than its entry");
    sync_file(fd.get());
    fd.close();
  }
  store::Store& store_;
  const std::function<void()>& alive_;
};

// git-check-ref-format(1): no ref is named so.
void remove_ref_locks(const std::string& folder) {
  for (const std::string& name : list_directory(folder)) {
    const std::string path = folder + "/" + name;
    if (is_directory(path)) {
      remove_ref_locks(path);
    } else if (name.ends_with(".lock")) {
      remove_durably(path);
    }
  }
}

}  // namespace

std::string git_view_path(const std::string& home, const std::string& client, std::string_view name) {
  const std::string root = home + "/data/" + client + "/git";
  std::string path = root;
  bool fits = name.size() <= kLongestPath && name != "/";
  std::string_view rest = name;
  while (fits && !rest.empty()) {
    rest.remove_prefix(1);  // the slash
    const std::size_t slash = std::min(rest.find('/'), rest.size());
    const std::string component(rest.substr(0, slash));
    rest.remove_prefix(slash);
    fits = component.size() <= kLongestComponent;
    const bool escape = !rest.empty() && looks_like_mirror(component);
    path += "/" + component + (escape ? "~" : "");
  }
  return fits ? path + ".git" : root + "/~" + Sha256::of(name).hex() + ".git";
}

bool belongs_to_git_snapshot(std::string_view path) {
  for (const std::string_view whole :
       {"HEAD", "config", "packed-refs", "shallow", "refs", "objects", "objects/pack", "objects/info"}) {
    if (path == whole) return true;
  }
  constexpr std::string_view kPack = "objects/pack/pack-";
  if (path.starts_with(kPack)) {
    const std::string_view name = path.substr(kPack.size());
    const std::size_t dot = name.find('.');
    return dot != std::string_view::npos && dot >= 40 && is_hex(name.substr(0, dot)) &&
           (name.substr(dot) == ".pack" || name.substr(dot) == ".idx");
  }
  constexpr std::string_view kObjects = "objects/";
  if (!path.starts_with(kObjects)) return false;
  const std::string_view loose = path.substr(kObjects.size());  // "ab" or "ab/cdef…"
  if (loose.size() == 2) return is_hex(loose);
  return loose.size() >= 40 && loose[2] == '/' && is_hex(loose.substr(0, 2)) && is_hex(loose.substr(3));
}

std::string git_view_snapshot(const std::string& mirror) {
  const std::string text = try_read_file(mirror + "/" + kToken, 100).value_or("");
  return Digest::from_hex(text) ? text : "";
}

void forget_git_view_snapshot(const std::string& mirror) { remove_durably(mirror + "/" + kToken); }

void unlock_git_view(const std::string& mirror) {
  for (const char* name :
       {"/packed-refs.lock", "/packed-refs.new", "/HEAD.lock", "/config.lock", "/shallow.lock"})
    if (path_exists(mirror + name)) remove_durably(mirror + name);
  if (is_directory(mirror + "/refs")) remove_ref_locks(mirror + "/refs");
}

void remember_git_view_snapshot(const std::string& mirror, const std::string& snapshot_id) {
  // What git wrote without syncing must not be younger than the promise that it equals a snapshot.
  for (const char* name : {"/packed-refs", "/HEAD"}) {
    if (path_exists(mirror + name)) sync_file(open_file(mirror + name, O_RDONLY).get());
  }
  sync_directory(mirror);
  replace_durably(mirror + "/" + kToken, snapshot_id);
}

void rebuild_git_view(store::Store& store, const store::SnapshotRecord& record, const std::string& mirror,
                      const std::function<void()>& alive) {
  const std::string making = mirror + kNew;
  ensure_directory(parent_of(mirror));
  remove_tree(making);
  Rebuilder(store, alive).directory(record.root.node, making, "");
  for (const char* folder : {"/refs", "/objects", "/objects/info", "/objects/pack"})
    ensure_directory(making + folder);
  remember_git_view_snapshot(making, record.id);
  sync_directory(making + "/objects/pack");
  remove_tree(mirror);
  rename_durably(making, mirror);
}

FileLock lock_git_view(const std::string& home, const std::string& mirror) {
  const std::string folder = home + "/tmp/mirrors";
  ensure_directory(folder);
  return FileLock::exclusive(folder + "/" + Sha256::of(mirror).hex().substr(0, 32) + ".lock");
}

std::size_t rebuild_git_views(
    const std::string& home, store::Store& store, const std::vector<store::SnapshotRecord>& records,
    const std::function<void(const store::SnapshotRecord& record, const std::string& reason)>& damaged) {
  std::map<std::string, const store::SnapshotRecord*> newest;  // by mirror: modules may share one
  for (const store::SnapshotRecord& record : records) {
    if (record.method != "git" || record.root.type != EntryType::Directory) continue;
    const store::SnapshotRecord*& known = newest[git_view_path(home, record.client, record.name)];
    if (known == nullptr || known->began < record.began) known = &record;
  }
  std::size_t made = 0;
  for (const auto& [mirror, record] : newest) {
    const FileLock lock = lock_git_view(home, mirror);
    if (git_view_snapshot(mirror) == record->id && path_exists(mirror + "/HEAD")) continue;
    try {
      rebuild_git_view(store, *record, mirror);
      ++made;
    } catch (const Error& error) {
      if (error.kind() != Kind::Corrupt) throw;
      remove_tree(mirror + kNew);
      damaged(*record, error.what());
    }
  }
  return made;
}

}  // namespace bk::pull
