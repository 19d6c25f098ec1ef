#include "common/git/repository.h"

#include "common/git/check.h"
#include "common/handle/handle.h"
#include "common/io/file.h"
#include "common/text/escape.h"

#include <fcntl.h>
#include <git2/sys/repository.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <set>

namespace bk::git {
namespace {

using Repo = Handle<git_repository, git_repository_free>;
using Odb = Handle<git_odb, git_odb_free>;
using OdbObject = Handle<git_odb_object, git_odb_object_free>;
using CommitObject = Handle<git_commit, git_commit_free>;
using TreeObject = Handle<git_tree, git_tree_free>;
using Reference = Handle<git_reference, git_reference_free>;
using Config = Handle<git_config, git_config_free>;

git_oid raw_oid(const Oid& oid) {
  git_oid out;
  std::memcpy(out.id, oid.bytes.data(), oid.bytes.size());
  return out;
}

Oid oid_of(const git_oid& from) {
  Oid out;
  std::memcpy(out.bytes.data(), from.id, out.bytes.size());
  return out;
}

std::string in(std::string_view doing, std::string_view what, const std::string& path) {
  return std::string(doing) + " " + std::string(what) + " in " + quoted(path);
}

// libgit2 syncs what it writes while one lives.  Only around refs: objects are synced all at once before.
class SyncedWrites {
 public:
  SyncedWrites() { (void)git_libgit2_opts(GIT_OPT_ENABLE_FSYNC_GITDIR, 1); }
  ~SyncedWrites() { (void)git_libgit2_opts(GIT_OPT_ENABLE_FSYNC_GITDIR, 0); }
};

bool is_hex_name(const std::string& name, std::size_t digits) {
  return name.size() == digits && name.find_first_not_of("0123456789abcdef") == std::string::npos;
}

}  // namespace

std::string Oid::hex() const {
  return hex_encode({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

std::optional<Oid> Oid::from_hex(std::string_view text) {
  if (text.size() != 40) return std::nullopt;
  const std::optional<std::string> raw_bytes = hex_decode(text);
  if (!raw_bytes || hex_encode(*raw_bytes) != text) return std::nullopt;
  Oid out;
  std::memcpy(out.bytes.data(), raw_bytes->data(), out.bytes.size());
  return out;
}

struct Repository::Impl {
  Repo repo;
  Odb odb;
};

Repository::Repository(const std::string& path) : path_(path), impl_(std::make_unique<Impl>()) {
  ensure_started();
  const auto doing = [&] { return "opening repository " + quoted(path); };
  check_git(git_repository_open_bare(Out(impl_->repo), path.c_str()), doing);
  check_git(git_repository_odb(Out(impl_->odb), impl_->repo.get()), doing);
}
git_repository* Repository::raw() const { return impl_->repo.get(); }
Repository::~Repository() = default;
Repository::Repository(Repository&&) noexcept = default;

void Repository::init(const std::string& path, const std::string& branch) {
  ensure_started();
  if (path_exists(path + "/HEAD")) return;
  git_repository_init_options options;
  const auto doing = [&] { return "making repository " + quoted(path); };
  check_git(git_repository_init_options_init(&options, GIT_REPOSITORY_INIT_OPTIONS_VERSION), doing);
  options.flags = GIT_REPOSITORY_INIT_BARE | GIT_REPOSITORY_INIT_MKPATH | GIT_REPOSITORY_INIT_NO_DOTGIT_DIR;
  options.initial_head = branch.c_str();
  Repo repo;
  check_git(git_repository_init_ext(Out(repo), path.c_str(), &options), doing);
  check_sys(::chmod(path.c_str(), 0750), doing);
  Repository(path).sync();
  sync_directory(parent_of(path));
}

void Repository::add_objects(const std::string& objects_folder) {
  check_git(git_odb_add_disk_alternate(impl_->odb.get(), objects_folder.c_str()),
            [&] { return "adding objects of " + quoted(objects_folder); });
}

std::optional<Oid> Repository::ref(const std::string& name) const {
  git_oid oid;
  const int code = git_reference_name_to_id(&oid, impl_->repo.get(), name.c_str());
  if (code == GIT_ENOTFOUND) return std::nullopt;
  check_git(code, [&] { return in("reading", name, path_); });
  return oid_of(oid);
}

bool Repository::set_ref(const std::string& name, const Oid& to, const std::optional<Oid>& expected) {
  sync_written();  // the objects first: a ref whose objects are lost is a broken repository
  const git_oid target = raw_oid(to);
  const SyncedWrites synced;
  const git_oid before = expected ? raw_oid(*expected) : git_oid{};
  Reference made;
  const int code =
      expected ? git_reference_create_matching(Out(made), impl_->repo.get(), name.c_str(), &target, 1,
                                               &before, nullptr)
               : git_reference_create(Out(made), impl_->repo.get(), name.c_str(), &target, 0, nullptr);
  if (code == GIT_EMODIFIED || code == GIT_EEXISTS || (expected && code == GIT_ENOTFOUND)) return false;
  check_git(code, [&] { return in("moving", name, path_); });
  sync_ref(name);
  return true;
}

void Repository::force_ref(const std::string& name, const Oid& to) {
  sync_written();
  const git_oid target = raw_oid(to);
  const SyncedWrites synced;
  const auto move = [&] {
    Reference made;
    return git_reference_create(Out(made), impl_->repo.get(), name.c_str(), &target, 1, nullptr);
  };
  int code = move();
  if (code < 0 && code != GIT_ELOCKED) {
    delete_ref(name);  // a file that holds no ref stands in the way
    code = move();
  }
  check_git(code, [&] { return in("moving", name, path_); });
  sync_ref(name);
}

void Repository::delete_ref(const std::string& name) {
  const int code = git_reference_remove(impl_->repo.get(), name.c_str());
  if (code < 0 && code != GIT_ENOTFOUND) {
    const Error error = git_failure(code, in("deleting", name, path_));
    if (error.kind() != Kind::Corrupt) throw error;
    remove_durably(path_ + "/" + name);  // an empty or cut file
  }
  sync();
}

Commit Repository::commit(const Oid& oid) const {
  const git_oid id = raw_oid(oid);
  CommitObject found;
  check_git(git_commit_lookup(Out(found), impl_->repo.get(), &id),
            [&] { return in("reading commit", oid.hex(), path_); });
  Commit out;
  out.tree = oid_of(*git_commit_tree_id(found.get()));
  for (unsigned i = 0; i < git_commit_parentcount(found.get()); ++i)
    out.parents.push_back(oid_of(*git_commit_parent_id(found.get(), i)));
  if (const char* message = git_commit_message_raw(found.get())) out.message = message;
  return out;
}

std::vector<TreeEntry> Repository::tree(const Oid& oid) const {
  const git_oid id = raw_oid(oid);
  TreeObject found;
  check_git(git_tree_lookup(Out(found), impl_->repo.get(), &id),
            [&] { return in("reading tree", oid.hex(), path_); });
  std::vector<TreeEntry> out;
  const std::size_t count = git_tree_entrycount(found.get());
  out.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    const git_tree_entry* entry = git_tree_entry_byindex(found.get(), i);
    out.push_back({git_tree_entry_name(entry), static_cast<std::uint32_t>(git_tree_entry_filemode_raw(entry)),
                   oid_of(*git_tree_entry_id(entry))});
  }
  return out;
}

std::uint64_t Repository::object_bytes(const Oid& oid) const {
  const git_oid id = raw_oid(oid);
  std::size_t bytes = 0;
  git_object_t type{};
  check_git(git_odb_read_header(&bytes, &type, impl_->odb.get(), &id),
            [&] { return in("reading object", oid.hex(), path_); });
  return bytes;
}

std::string Repository::blob(const Oid& oid, std::uint64_t limit_bytes) const {
  if (object_bytes(oid) > limit_bytes)
    throw Error(Kind::Protocol, "longer than " + std::to_string(limit_bytes) + " bytes");
  const git_oid id = raw_oid(oid);
  OdbObject found;
  const auto doing = [&] { return in("reading blob", oid.hex(), path_); };
  check_git(git_odb_read(Out(found), impl_->odb.get(), &id), doing);
  if (git_odb_object_type(found.get()) != GIT_OBJECT_BLOB)
    throw Error(Kind::Corrupt, doing() + ": it is no blob");
  return {static_cast<const char*>(git_odb_object_data(found.get())), git_odb_object_size(found.get())};
}

bool Repository::is_readable(const Oid& oid) const {
  const git_oid id = raw_oid(oid);
  OdbObject found;
  return git_odb_read(Out(found), impl_->odb.get(), &id) == 0;
}

Oid Repository::write(std::string_view bytes, int type, const char* what) {
  git_oid id;
  check_git(git_odb_write(&id, impl_->odb.get(), bytes.data(), bytes.size(), static_cast<git_object_t>(type)),
            [&] { return in("writing", what, path_); });
  unsynced_.push_back(oid_of(id));
  return unsynced_.back();
}

Oid Repository::write_blob(std::string_view bytes) { return write(bytes, GIT_OBJECT_BLOB, "a blob"); }

// Written by hand: libgit2's tree builder looks every entry's object up again.
Oid Repository::write_tree(const std::vector<TreeEntry>& entries) {
  const auto key = [](const TreeEntry& e) { return e.mode == kModeTree ? e.name + "/" : e.name; };
  std::vector<const TreeEntry*> sorted;
  for (const TreeEntry& entry : entries) {
    BK_CHECK(!entry.name.empty() && entry.name.find('/') == std::string::npos);
    sorted.push_back(&entry);
  }
  std::sort(sorted.begin(), sorted.end(),
            [&](const TreeEntry* a, const TreeEntry* b) { return key(*a) < key(*b); });
  std::string bytes;
  for (const TreeEntry* entry : sorted) {
    bytes += entry->mode == kModeTree ? "40000 " : "100644 ";
    bytes += entry->name;
    bytes += '\0';
    bytes.append(reinterpret_cast<const char*>(entry->oid.bytes.data()), entry->oid.bytes.size());
  }
  return write(bytes, GIT_OBJECT_TREE, "a tree");
}

Oid Repository::write_commit(const Oid& tree, const std::vector<Oid>& parents, const Signature& by,
                             std::string_view message) {
  std::string bytes = "tree " + tree.hex() + "\n";
  for (const Oid& parent : parents) bytes += "parent " + parent.hex() + "\n";
  const std::string who = by.name + " <" + by.email + "> " + std::to_string(by.seconds) + " +0000\n";
  bytes += "author " + who + "committer " + who + "\n" + std::string(message);
  return write(bytes, GIT_OBJECT_COMMIT, "a commit");
}

// Few objects are synced one by one: syncfs() would wait for whatever else the file system is writing.
void Repository::sync_written() {
  constexpr std::size_t kFew = 48;
  if (unsynced_.size() > kFew) {
    sync();
  } else if (!unsynced_.empty()) {
    std::set<std::string> folders{path_ + "/objects"};
    for (const Oid& oid : unsynced_) {
      const std::string hex = oid.hex();
      const std::string folder = path_ + "/objects/" + hex.substr(0, 2);
      const std::string file = folder + "/" + hex.substr(2);
      if (!path_exists(file)) continue;  // it was there before, in a pack
      sync_file(open_file(file, O_RDONLY).get());
      folders.insert(folder);
    }
    for (const std::string& folder : folders) sync_directory(folder);
  }
  unsynced_.clear();
}

void Repository::sync_ref(const std::string& name) const {
  const std::string file = path_ + "/" + name;
  if (path_exists(file)) sync_file(open_file(file, O_RDONLY).get());
  sync_directory(parent_of(file));
}

void Repository::sync() const {
  const Fd directory = open_directory(path_);
  check_sys(::syncfs(directory.get()), [&] { return "syncing repository " + quoted(path_); });
}

std::size_t Repository::remove_broken_objects() {
  std::size_t removed = 0;
  const std::string objects = path_ + "/objects";
  for (const std::string& folder : list_directory(objects)) {
    if (!is_hex_name(folder, 2)) continue;
    for (const std::string& name : list_directory(objects + "/" + folder)) {
      if (!is_hex_name(name, 38)) continue;
      const std::optional<Oid> oid = Oid::from_hex(folder + name);
      if (!oid || is_readable(*oid)) continue;
      remove_durably(objects + "/" + folder + "/" + name);
      ++removed;
    }
  }
  return removed;
}

std::size_t Repository::loose_objects() const {
  const std::string folder = path_ + "/objects/17";  // as git gc estimates it
  return path_exists(folder) ? list_directory(folder).size() * 256 : 0;
}

std::size_t Repository::packs() const {
  const std::vector<std::string> names = list_directory(path_ + "/objects/pack");
  return static_cast<std::size_t>(
      std::count_if(names.begin(), names.end(), [](const auto& name) { return name.ends_with(".pack"); }));
}

void Repository::set_config(const std::string& key, const std::string& value) {
  Config config;
  const auto doing = [&] { return in("setting", key, path_); };
  check_git(git_repository_config(Out(config), impl_->repo.get()), doing);
  check_git(git_config_set_string(config.get(), key.c_str(), value.c_str()), doing);
}

}  // namespace bk::git
