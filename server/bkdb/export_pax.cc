#include "server/bkdb/export_pax.h"

#include "common/restore/whole_rows.h"
#include "server/bkdb/content.h"
#include "server/bkdb/hard_links.h"
#include "server/bkdb/session.h"
#include "server/bkdb/walk.h"

namespace bk::bkdb {
namespace {

class PaxExporter final : public Visitor {
 public:
  PaxExporter(store::Store& store, const std::string& top, PaxWriter& pax, Findings& findings)
      : store_(store), top_(top), pax_(pax), findings_(findings) {}

  bool enter(const std::string& path, const Entry& directory) override {
    pax_.begin(shown(path), directory);
    return true;
  }
  void leave(const std::string&, const Entry&) override {}
  void damaged(const std::string& path, const Error& error) override {
    findings_.damage(shown(path), error.what());
  }

  void entry(const std::string& path, const Entry& entry) override {
    const std::string name = shown(path);
    if (path == kNotWhole) warn(not_whole_advice("bkdb", "FOLDER (where it is unpacked)"));
    if (entry.unreadable)
      return findings_.leave_out(name, "not exported: it could not be read when it was backed up");
    if (entry.type == EntryType::Socket)
      return findings_.leave_out(name, "not exported: a tar archive cannot hold a socket");
    if (entry.changed_while_read)
      findings_.leave_out(name, "it changed while it was read: its content may mix versions");
    if (const std::optional<std::string> first = links_.find(entry)) return pax_.begin(name, entry, *first);
    if (entry.type == EntryType::File)
      add_file(name, entry);
    else
      pax_.begin(name, entry);
    links_.add(entry, name);
  }

 private:
  std::string shown(const std::string& path) const { return path.empty() ? top_ : top_ + "/" + path; }

  void add_file(const std::string& name, const Entry& entry) {
    std::string damage;
    std::optional<Entry> mapped = with_joined_extents(store_, entry, damage);
    if (!mapped) {
      mapped = entry;
      mapped->content = {{Extent::Kind::Hole, entry.size, {}, {}}};
    }
    pax_.begin(name, *mapped);
    damage = stream_content(
        store_, entry, [&](std::string_view bytes) { pax_.write(bytes); }, false);
    if (!damage.empty()) findings_.damage(name, damage + "; zeros stand in its place");
  }

  store::Store& store_;
  const std::string& top_;
  PaxWriter& pax_;
  Findings& findings_;
  HardLinks links_;
};

}  // namespace

std::vector<std::string> export_pax(store::Store& store, const store::SnapshotRecord& snapshot,
                                    const std::string& entry, const std::vector<std::string>& parts,
                                    PaxWriter& pax, Findings& findings) {
  PaxExporter exporter(store, entry, pax, findings);
  return walk(store, snapshot.root, parts, exporter);
}

}  // namespace bk::bkdb
