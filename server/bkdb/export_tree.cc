#include "server/bkdb/export_tree.h"

#include "common/io/file.h"
#include "server/bkdb/hard_links.h"
#include "server/bkdb/walk.h"
#include "server/bkdb/window.h"
#include "server/store/tree.h"

#include <sys/resource.h>

#include <algorithm>
#include <cerrno>

namespace bk::bkdb {
namespace {

// Files of one window stay open until their content came; half of what the process may have, at most.
std::size_t open_file_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 128;
  if (limit.rlim_cur < limit.rlim_max) {
    limit.rlim_cur = std::min<rlim_t>(limit.rlim_max, 8192);
    (void)::setrlimit(RLIMIT_NOFILE, &limit);
    (void)::getrlimit(RLIMIT_NOFILE, &limit);
  }
  // A file holds its own descriptor and, at worst, one of a directory that is otherwise closed.
  return std::clamp<std::size_t>(limit.rlim_cur / 4, 16, 2048);
}

class Exporter final : public Visitor {
 public:
  Exporter(store::Store& store, const TreeExport& task, RestoreReport& report, Findings& findings)
      : store_(store),
        task_(task),
        writer_(task.destination_fd, task.destination, report),
        findings_(findings),
        most_files_(open_file_limit()) {}

  bool enter(const std::string& path, const Entry& directory) override {
    writer_.enter(path.empty() ? named_root(directory) : directory);
    return true;
  }
  void leave(const std::string&, const Entry&) override { writer_.leave(); }

  void entry(const std::string& path, const Entry& entry) override {
    const Entry& made = path.empty() ? root_ = named_root(entry) : entry;
    if (entry.unreadable)
      return findings_.leave_out(shown(path), "not exported: it could not be read when it was backed up");
    if (entry.changed_while_read)
      findings_.leave_out(shown(path), "it changed while it was read: its content may mix versions");
    if (const std::string* first = links_.find(entry); first != nullptr && make_link(*first, path, made))
      return;
    if (entry.type == EntryType::File)
      add_file(path, made);
    else
      writer_.make_special(made);
    links_.add(entry, writer_.path_of(made.name));
  }

  void damaged(const std::string& path, const Error& error) override {
    findings_.damage(shown(path), error.what());
  }

  // Fills and closes every file that is still open.
  void flush() {
    window_.flush(
        store_,
        [&](std::uint64_t piece, const ChunkId&, std::string_view content) {
          const Piece& at = pieces_[piece];
          fill(*at.file, at.offset, content);
        },
        [&](std::uint64_t piece, const ChunkId&, const Error& error) {
          pieces_[piece].file->damage = error.what();
        });
    pieces_.clear();
    for (const std::unique_ptr<Open>& open : open_)
      if (open->complete) close(*open);
    std::erase_if(open_, [](const std::unique_ptr<Open>& open) { return open->complete; });
  }

 private:
  struct Open {
    std::unique_ptr<RestoredFile> file;
    std::string path;  // in the tree
    std::string made;  // below the destination
    std::string damage;
    std::vector<std::pair<std::string, std::string>>
        aliases;            // other names: below the destination, in the tree
    bool complete = false;  // all its pieces are in the window or written
  };
  struct Piece {
    Open* file = nullptr;
    std::uint64_t offset = 0;
  };

  Entry named_root(const Entry& root) const {
    Entry copy = root;
    copy.name = task_.entry;
    return copy;
  }
  std::string shown(const std::string& path) const {
    return path.empty() ? task_.entry : task_.entry + "/" + path;
  }

  // A file that the destination cannot hold (a client may have recorded any length) ends itself and not the
  // export.
  template <class Body>
  static void or_too_large(Open& open, Body&& body) {
    try {
      body();
    } catch (const Error& error) {
      if (error.sys_errno() != EFBIG) throw;
      if (open.damage.empty()) open.damage = error.what();
    }
  }
  static void fill(Open& open, std::uint64_t offset, std::string_view content) {
    or_too_large(open, [&] { open.file->write(offset, content); });
  }

  void close(Open& open) {
    if (open.damage.empty()) or_too_large(open, [&] { open.file->finish(); });
    if (open.damage.empty()) return;
    open.file->abandon();
    findings_.damage(shown(open.path), open.damage + "; not exported");
    for (const auto& [made, path] : open.aliases) {
      writer_.remove(made);
      findings_.damage(shown(path), open.damage + "; not exported");
    }
  }

  bool make_link(const std::string& first, const std::string& path, const Entry& entry) {
    if (!writer_.link(first, entry)) return false;
    for (const std::unique_ptr<Open>& open : open_)
      if (open->made == first) open->aliases.emplace_back(writer_.path_of(entry.name), path);
    return true;
  }

  void add_extent(Open& open, const Extent& extent, std::uint64_t& offset) {
    if (extent.kind == Extent::Kind::Inline) fill(open, offset, extent.inline_data);
    if (extent.kind == Extent::Kind::Chunk) {
      window_.add(extent.id, extent.bytes, pieces_.size());
      pieces_.push_back({&open, offset});
    }
    offset += extent.bytes;
    if (window_.full()) flush();
  }

  void add_file(const std::string& path, const Entry& entry) {
    open_.push_back(std::make_unique<Open>());
    Open& open = *open_.back();
    open.path = path;
    open.made = writer_.path_of(entry.name);
    open.file = writer_.begin_file(entry);
    std::uint64_t offset = 0;
    try {
      store::for_each_extent(store_, entry, [&](const Extent& extent) { add_extent(open, extent, offset); });
      if (offset != entry.size) open.damage = "its recorded content has another length than its size";
    } catch (const Error& error) {
      if (error.kind() != Kind::Corrupt) throw;
      open.damage = error.what();
    }
    open.complete = true;
    if (open_.size() >= most_files_) flush();
  }

  store::Store& store_;
  const TreeExport& task_;
  TreeWriter writer_;
  Findings& findings_;
  std::size_t most_files_;
  Entry root_;
  HardLinks links_;
  ChunkWindow window_;
  std::vector<Piece> pieces_;
  std::vector<std::unique_ptr<Open>> open_;
};

}  // namespace

std::vector<std::string> export_tree(store::Store& store, const store::SnapshotRecord& snapshot,
                                     const TreeExport& task, RestoreReport& report, Findings& findings) {
  Exporter exporter(store, task, report, findings);
  std::vector<std::string> missing = walk(store, snapshot.root, task.parts, exporter);
  exporter.flush();
  return missing;
}

}  // namespace bk::bkdb
