#include "server/bkdb/restore_feed.h"

#include "server/bkdb/group_feed.h"
#include "server/bkdb/hard_links.h"
#include "server/bkdb/walk.h"
#include "server/store/tree.h"

#include <utility>

namespace bk::bkdb {
namespace {

constexpr const char* kOtherLength = "its recorded content has another length than its size";

class Feed final : public Visitor {
 public:
  Feed(store::Store& store, const FeedTask& task, RestoreSink& sink, Findings& findings,
       const std::string& far_client)
      : store_(store), task_(task), sink_(sink), findings_(findings), groups_(store, sink, far_client) {}

  bool enter(const std::string& path, const Entry& directory) override {
    make_room(directory, true);
    sink_.enter(path.empty() ? named_root(directory) : directory);
    return true;
  }
  void leave(const std::string&, const Entry&) override {
    make_room({}, true);
    sink_.leave();
  }
  void entry(const std::string& path, const Entry& entry) override {
    if (entry.unreadable)
      return findings_.leave_out(shown(path), "not exported: it could not be read when it was backed up");
    if (entry.changed_while_read)
      findings_.leave_out(shown(path), "it changed while it was read: its content may mix versions");
    make_room(entry, false);
    const Entry& made = path.empty() ? root_ = named_root(entry) : entry;
    if (const std::optional<std::string> first = links_.find(entry)) return sink_.link(*first, made);
    links_.add(entry, shown(path));
    if (entry.type == EntryType::File)
      add_file(made);
    else
      sink_.special(made);
  }
  void damaged(const std::string& path, const Error& error) override {
    findings_.damage(shown(path), error.what());
  }

  void end_window() {
    groups_.send();
    sink_.end_window();
    entries_ = directories_ = attribute_bytes_ = 0;
  }

 private:
  Entry named_root(const Entry& root) const {
    Entry copy = root;
    copy.name = task_.entry;
    return copy;
  }
  std::string shown(const std::string& path) const {
    return path.empty() ? task_.entry : task_.entry + "/" + path;
  }

  void make_room(const Entry& entry, bool directory) {
    if (entries_ == WindowLimits::kEntries || directories_ == WindowLimits::kDirectories ||
        attribute_bytes_ >= WindowLimits::kAttributeBytes)
      end_window();
    ++(directory ? directories_ : entries_);
    attribute_bytes_ += attribute_bytes(entry);
  }

  // What is known so far of a file of which more comes.
  struct Part {
    FilePart part;
    bool begun = false;
  };

  void tell(const Entry& entry, Part& file, bool continues) {
    file.part.continues = continues;
    if (file.begun)
      sink_.more(std::exchange(file.part, {}));
    else
      sink_.file(entry, std::exchange(file.part, {}));
    file.begun = true;
  }

  void add_extent(const Entry& entry, Part& file, const Extent& extent, std::uint64_t& offset) {
    if (extent.bytes > entry.size || offset > entry.size - extent.bytes)
      throw Error(Kind::Corrupt, kOtherLength);
    if (extent.kind == Extent::Kind::Chunk && extent.bytes > kMaxObjectBytes)
      throw Error(Kind::Corrupt, "chunk " + extent.id.hex() + " is recorded longer than a chunk can be");
    if (groups_.full() || attribute_bytes_ >= WindowLimits::kAttributeBytes) {
      tell(entry, file, true);
      end_window();
    }
    if (extent.kind == Extent::Kind::Inline) {
      file.part.inlines.emplace_back(offset, extent.inline_data);
      attribute_bytes_ += extent.inline_data.size();
    }
    if (extent.kind == Extent::Kind::Chunk) {
      groups_.want(extent.id, static_cast<std::uint32_t>(extent.bytes), files_, offset);
      file.part.placed_bytes += extent.bytes;
    }
    offset += extent.bytes;
  }

  void add_file(const Entry& entry) {
    Part file;
    std::uint64_t offset = 0;
    std::string damage;
    try {
      store::for_each_extent(store_, entry,
                             [&](const Extent& extent) { add_extent(entry, file, extent, offset); });
      if (offset != entry.size) damage = kOtherLength;
    } catch (const Error& error) {
      if (error.kind() != Kind::Corrupt) throw;
      damage = error.what();
    }
    tell(entry, file, false);
    if (!damage.empty()) sink_.damaged(files_, 0, damage);
    ++files_;
  }

  store::Store& store_;
  const FeedTask& task_;
  RestoreSink& sink_;
  Findings& findings_;
  GroupFeed groups_;
  HardLinks links_;
  Entry root_;
  std::uint64_t files_ = 0;  // begun and finished before
  std::size_t entries_ = 0, directories_ = 0, attribute_bytes_ = 0;
};

}  // namespace

std::vector<std::string> feed_tree(store::Store& store, const store::SnapshotRecord& snapshot,
                                   const FeedTask& task, RestoreSink& sink, Findings& findings) {
  Feed feed(store, task, sink, findings, task.far ? snapshot.client : std::string());
  std::vector<std::string> missing = walk(store, snapshot.root, task.parts, feed);
  feed.end_window();
  return missing;
}

}  // namespace bk::bkdb
