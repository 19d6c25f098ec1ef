// Method git: a mirror that loses nothing.  Before a fetch removes or moves a ref, its old commit gets a ref
// below refs/backline/<time>/, in one transaction; so no crash leaves a commit without a name.
#include "common/error/error.h"
#include "common/io/crash.h"
#include "common/io/file.h"
#include "common/text/escape.h"
#include "server/pull/driver.h"
#include "server/pull/git_command.h"
#include "server/pull/git_refs.h"
#include "server/pull/git_view.h"
#include "server/store/tree.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <utility>

namespace bk::pull {
namespace {

constexpr std::size_t kMostAsked = 2000;
constexpr std::size_t kManyPacks = 40;
constexpr std::size_t kManyChanges = 5000;  // of refs; fewer are left to git
// Bytes that a fetch may carry beside its pack: names of a million refs.
constexpr std::uint64_t kBesidesPack = 256U << 20U;

std::string stamp(Timestamp time) {
  const CivilTime c = to_utc(time.seconds);
  return fmt::format("{:04}{:02}{:02}T{:02}{:02}{:02}Z", c.year, c.month, c.day, c.hour, c.minute, c.second);
}

// As git quotes a path for the far side's shell, which our agent reads without one.
std::string shell_quoted(const std::string& path) {
  std::string out = "'";
  for (const char c : path) {
    if (c == '\'' || c == '!') {
      out += std::string("'\\") + c + "'";
    } else {
      out += c;
    }
  }
  return out + "'";
}

class Mirror {
 public:
  Mirror(const Job& job, Surroundings& around)
      : around_(around),
        path_(git_view_path(around.home, job.client, job.request.name)),
        git_(path_, around.total, around.alive),
        order_{around.endpoint, "git-upload-pack " + shell_quoted(job.request.place)} {
    if (around.quota_left) order_.most_bytes = *around.quota_left + kBesidesPack;
  }

  // A whole mirror: the one that is there, one rebuilt from the newest snapshot, or an empty one.
  void ensure() {
    if (git_view_snapshot(path_).empty()) unlock_git_view(path_);  // a pull before this one did not end
    if (is_whole()) return;
    if (around_.previous) {
      rebuild_git_view(around_.store, *around_.previous, path_, around_.alive);
      if (!is_whole())
        throw Error(Kind::Corrupt,
                    "git cannot read " + quoted(path_) + ", rebuilt from snapshot " + around_.previous->id);
    } else {
      remove_tree(path_);
      git_.init();
    }
    check_all_ = true;
  }

  [[nodiscard]] RemoteRefs ask() const {
    return parse_ls_remote(
        git_.remote({"ls-remote", "-q", "--symref", GitCommand::kUrl}, order_, around_.programs));
  }

  [[nodiscard]] bool equals(const RemoteRefs& remote) const {
    Refs theirs = remote.refs;
    std::erase_if(theirs, [](const auto& ref) { return is_kept(ref.first); });
    return without_kept(refs()) == theirs && current_head() == wanted_head(remote);
  }
  [[nodiscard]] bool is_in_store() const {
    return around_.previous && git_view_snapshot(path_) == around_.previous->id;
  }

  void follow(const RemoteRefs& remote) {
    forget_git_view_snapshot(path_);
    const std::string time = free_stamp();
    const Refs before = without_kept(refs());
    const Refs theirs = without_kept(remote.refs);
    const Moves expected = compare_refs(before, theirs);
    // Git makes a file for each ref that it creates: of a million, that takes twenty minutes.
    const bool many = changes(before, theirs, expected) > kManyChanges;
    if (many) {
      pack_loose();
      write_refs(keep_in(refs(), expected, time, true));
    } else {
      transaction(keep_transaction(expected, time, true));
    }
    crash_point("backup.git_kept");
    if (many) {
      fetch_many(remote);
    } else {
      fetch(remote);
    }
    crash_point("backup.git_fetched");
    const Refs after = without_kept(refs());
    drop_needless(expected, after, time);
    // What moved between asking and fetching.
    Moves late;
    for (const auto& [name, oid] : compare_refs(before, after).moved) {
      if (!expected.moved.contains(name) && !is_ancestor(oid, after.at(name))) late.moved.emplace(name, oid);
    }
    transaction(keep_transaction(late, time, false));
    set_head(remote);
    tidy();
    check_connected(before);
  }

  // As the newest snapshot has it: what a refused pull fetched must not pile up.
  void give_back() const {
    if (around_.previous)
      rebuild_git_view(around_.store, *around_.previous, path_, around_.alive);
    else
      remove_tree(path_);
  }

  [[nodiscard]] Pulled store() const {
    Pulled out;
    out.root = store::store_local_tree(around_.writer, around_.store.chunker(), path_,
                                       [&](std::string_view relative) { return count(out, relative); });
    out.root.name.clear();
    ++out.directories;  // the mirror itself
    return out;
  }
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  [[nodiscard]] bool is_whole() const {
    if (!is_directory(path_)) return false;
    return git_.run({"rev-parse", "--is-bare-repository"}).out == "true\n" &&
           git_.run({"for-each-ref", "--count=1"}).status == 0 && has_every_pack();
  }
  // Without an index git silently does not see a pack, and the other way round.
  [[nodiscard]] bool has_every_pack() const {
    const std::vector<std::string> files = list_directory(path_ + "/objects/pack");
    const auto has = [&](const std::string& name) {
      return std::binary_search(files.begin(), files.end(), name);
    };
    return std::all_of(files.begin(), files.end(), [&](const std::string& file) {
      if (file.ends_with(".pack")) return has(file.substr(0, file.size() - 5) + ".idx");
      if (file.ends_with(".idx")) return has(file.substr(0, file.size() - 4) + ".pack");
      return true;
    });
  }
  [[nodiscard]] Refs refs() const {
    return parse_for_each_ref(git_.check({"for-each-ref", "--format=%(objectname) %(refname)"}));
  }
  [[nodiscard]] std::string current_head() const {
    std::string text = try_read_file(path_ + "/HEAD", 4096).value_or("");
    while (text.ends_with('\n')) text.pop_back();
    return text;
  }
  // An unborn HEAD tells nothing: what the mirror had stays.
  [[nodiscard]] std::string wanted_head(const RemoteRefs& remote) const {
    if (!remote.head.empty() && remote.refs.contains(remote.head)) return "ref: " + remote.head;
    return remote.head_oid.empty() ? current_head() : remote.head_oid;
  }
  // A time that no kept ref has: two pulls within one second keep both.
  [[nodiscard]] std::string free_stamp() const {
    const std::string base = stamp(around_.now);
    const Refs all = refs();
    for (int i = 1;; ++i) {
      std::string time = i == 1 ? base : base + "-" + std::to_string(i);
      const std::string prefix = std::string(kKeptPrefix) + time + "/";
      const auto it = all.lower_bound(prefix);
      if (it == all.end() || !it->first.starts_with(prefix)) return time;
    }
  }
  void transaction(const std::string& text) const {
    if (!text.empty()) (void)git_.check({"update-ref", "--stdin", "-z"}, text);
  }
  void fetch(const RemoteRefs& remote) const {
    std::vector<std::string> arguments{"fetch",
                                       "-q",
                                       "--no-tags",
                                       "--no-write-fetch-head",
                                       "--update-shallow",
                                       "--no-recurse-submodules",
                                       "--no-auto-maintenance",
                                       GitCommand::kUrl};
    if (!remote.refs.empty()) {
      arguments.emplace_back("+refs/*:refs/*");
      arguments.push_back("^" + std::string(kKeptPrefix) + "*");
    }
    const bool detached = remote.head.empty() && !remote.head_oid.empty();
    if (detached) arguments.push_back("+HEAD:" + std::string(kKeptPrefix) + "detached/HEAD");
    if (remote.refs.empty() && !detached) return;  // an empty repository
    (void)git_.remote(arguments, order_, around_.programs);
  }
  static std::size_t changes(const Refs& before, const Refs& after, const Moves& moves) {
    const std::size_t stayed = before.size() - moves.gone.size();
    return moves.moved.size() + moves.gone.size() + (after.size() - stayed);
  }
  // Only the objects, and then all refs at once in one file.
  void fetch_many(const RemoteRefs& remote) const {
    // Without --lock-pack, git 2.39 crashes when it checks objects; what locks the pack goes in tidy().
    const std::string got = git_.remote({"fetch-pack", "-q", "--keep", "--lock-pack", "--no-progress",
                                         "--update-shallow", "--all", GitCommand::kUrl},
                                        order_, around_.programs);
    Refs all = without_kept(parse_for_each_ref(got));
    for (auto& [name, oid] : refs()) {
      if (is_kept(name)) all.emplace(name, oid);
    }
    if (remote.head.empty() && !remote.head_oid.empty() && has(remote.head_oid))
      all[std::string(kKeptPrefix) + "detached/HEAD"] = remote.head_oid;
    write_refs(all);
  }
  // No ref is loose (pack_loose), so this is all that git sees.
  void write_refs(const Refs& all) const { replace_durably(path_ + "/packed-refs", packed_refs(all), 0644); }
  void pack_loose() const { (void)git_.check({"pack-refs", "--all", "--prune"}); }
  [[nodiscard]] bool has(const std::string& commit) const {
    return git_.run({"cat-file", "-e", commit + "^{commit}"}).status == 0;
  }
  [[nodiscard]] bool is_ancestor(const std::string& old_oid, const std::string& new_oid) const {
    return git_.run({"merge-base", "--is-ancestor", old_oid, new_oid}).status == 0;
  }
  // A branch that only went forward needs no kept ref.  Asking takes a program for each two commits: after
  // very many different ones, the rest keeps its kept refs.
  void drop_needless(const Moves& moves, const Refs& after, const std::string& time) const {
    std::map<std::pair<std::string, std::string>, bool> asked;
    Refs needless;
    for (const auto& [name, oid] : moves.moved) {
      const auto it = after.find(name);
      if (it == after.end()) continue;
      auto known = asked.find({oid, it->second});
      if (known == asked.end()) {
        if (asked.size() >= kMostAsked) continue;
        known = asked.emplace(std::pair(oid, it->second), is_ancestor(oid, it->second)).first;
      }
      if (known->second) needless.emplace(kept_name(name, time), oid);
    }
    if (needless.size() > kManyChanges) {
      pack_loose();
      Refs all = refs();
      for (const auto& [name, oid] : needless) all.erase(name);
      return write_refs(all);
    }
    std::string text;
    for (const auto& [name, oid] : needless) text += "delete " + name + '\0' + '\0';
    transaction(text);
  }
  void set_head(const RemoteRefs& remote) const {
    const std::string wanted = wanted_head(remote);
    if (wanted == current_head()) return;
    const Refs now = refs();
    if (wanted.starts_with("ref: ")) {
      if (now.contains(wanted.substr(5))) (void)git_.check({"symbolic-ref", "HEAD", wanted.substr(5)});
    } else if (has(wanted)) {
      (void)git_.check({"update-ref", "--no-deref", "HEAD", wanted});
    }
  }
  void tidy() const {
    pack_loose();
    const std::vector<std::string> files = list_directory(path_ + "/objects/pack");
    for (const std::string& file : files) {
      if (file.ends_with(".keep")) (void)::unlink((path_ + "/objects/pack/" + file).c_str());
    }
    const auto packs = std::count_if(files.begin(), files.end(),
                                     [](const std::string& file) { return file.ends_with(".pack"); });
    // Rarely, and only the small ones: a repacked pack is new content to the store.
    if (static_cast<std::size_t>(packs) > kManyPacks)
      (void)git_.check({"repack", "-q", "-d", "--geometric=2"});
  }
  // Every object that the refs reach is there.  What was checked by an earlier pull is not read again.
  void check_connected(const Refs& before) const {
    std::string input;
    if (!check_all_) {
      for (const auto& [name, oid] : before) input += "^" + oid + "\n";
    }
    (void)git_.check({"rev-list", "--objects", "--quiet", "--all", "--stdin"}, input);
  }
  bool count(Pulled& out, std::string_view relative) const {
    if (!belongs_to_git_snapshot(relative)) return false;
    around_.alive();
    struct stat info {};
    if (::lstat((path_ + "/" + std::string(relative)).c_str(), &info) < 0) return false;
    if (S_ISDIR(info.st_mode)) {
      ++out.directories;
    } else {
      ++out.files;
      out.bytes += static_cast<std::uint64_t>(info.st_size);
    }
    return true;
  }

  Surroundings& around_;
  std::string path_;
  GitCommand git_;
  BridgeOrder order_;
  bool check_all_ = false;
};

Pulled same_as(const store::SnapshotRecord& record) {
  Pulled out;
  out.root = record.root;
  out.files = record.files;
  out.directories = record.directories;
  out.others = record.others;
  out.bytes = record.bytes;
  return out;
}

}  // namespace

Pulled pull_git(const Job& job, Surroundings& around) {
  Mirror mirror(job, around);
  auto lock = std::make_shared<FileLock>(lock_git_view(around.home, mirror.path()));
  mirror.ensure();
  const RemoteRefs remote = mirror.ask();
  Pulled out;
  if (mirror.equals(remote) && mirror.is_in_store()) {
    out = same_as(*around.previous);
  } else {
    try {
      mirror.follow(remote);
      out = mirror.store();
    } catch (const Error& error) {
      if (around.quota_left && error.kind() == Kind::Refused) mirror.give_back();
      throw;
    }
  }
  out.committed = [path = mirror.path(), lock](const std::string& id) {
    remember_git_view_snapshot(path, id);
  };
  return out;
}

}  // namespace bk::pull
