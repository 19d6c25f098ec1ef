// golden_store STORE [KEY FILE [SEAL FILE]]: makes a small store that holds everything version 1 of the
// format knows.  It made tests/golden/store, once; what it makes now may differ in its bytes.
#include "common/crypt/seal_key.h"
#include "common/error/error.h"
#include "common/io/file.h"
#include "server/store/sealing_writer.h"
#include "server/store/tree.h"

#include <cstdio>
#include <memory>
#include <string>

namespace {

using namespace bk;         // NOLINT: a small program
using namespace bk::store;  // NOLINT

std::string text_of(int number, int lines) {
  std::string out;
  for (int i = 0; i < lines; ++i)
    out += "line " + std::to_string(i) + " of file " + std::to_string(number) + "\n";
  return out;
}

// Does not compress.
std::string noise(std::size_t size) {
  std::string out;
  for (Digest block = Sha256::of("noise"); out.size() < size; block = Sha256::of(block.view()))
    out += block.view();
  return out.substr(0, size);
}

class Maker {
 public:
  Maker(const std::string& store, const std::string& key_file, const std::string& seal_file)
      : store_(Store::open(store, true, {}, {.key_file = key_file})), seal_file_(seal_file) {}

  void make() {
    const SnapshotRecord gone = tree("/srv/gone", 100, 1);
    (void)tree("/srv/tree", 1, 2);
    mark(MarkKind::Removal, gone);
    CleanOptions seldom;
    seldom.rewrite_percent = 90;
    (void)store_->clean(seldom);  // makes a pack of the journal, and forgets the first
    const SnapshotRecord held = tree("/srv/tree", 2, 3);
    mark(MarkKind::Hold, held);
    mark(MarkKind::Release, held);
    mark(MarkKind::Hold, archive());
    if (seal_file_.empty()) checkpoint(held);
  }

 private:
  std::unique_ptr<Writer> writer(const std::string& method, const std::string& name) {
    std::unique_ptr<Writer> out = store_->writer("web1", "golden", method, name);
    if (seal_file_.empty()) return out;
    return std::make_unique<SealingWriter>(std::move(out), load_seal_key(seal_file_), store_->scratch());
  }
  SnapshotRecord record(const std::string& method, const std::string& name, int when) {
    SnapshotRecord out;
    out.client = "web1";
    out.module = "golden";
    out.method = method;
    out.name = name;
    out.by = "web1";
    out.requests = {std::string(32, static_cast<char>('0' + when))};
    out.began = out.ended = {1783000000 + 3600 * when, 250000000};
    return out;
  }
  Entry entry(EntryType type, const std::string& name) {
    Entry out;
    out.type = type;
    out.name = name;
    out.mode = type == EntryType::Directory ? 0755 : type == EntryType::Symlink ? 0777 : 0640;
    out.mtime = out.ctime = {1782000000, 123456789};
    out.inode = ++inode_;
    out.device = 1;
    return out;
  }
  Entry file(Writer& writer, const std::string& name, const std::string& content) {
    Entry out = entry(EntryType::File, name);
    out.size = content.size();
    if (!content.empty()) out.content = {chunk(writer, content)};
    return out;
  }
  static Extent chunk(Writer& writer, const std::string& content) {
    return {Extent::Kind::Chunk, content.size(), writer.put(ObjectKind::Data, content), {}};
  }
  // More extents than an entry holds: lists.
  Entry long_file(Writer& writer, int number) {
    Entry out = entry(EntryType::File, "long");
    for (int i = 0; i < 400; ++i) {
      out.content.push_back(chunk(writer, std::to_string(number) + "." + std::to_string(i) + "\n"));
      out.size += out.content.back().bytes;
    }
    return out;
  }
  Entry mixed_file(Writer& writer) {
    Entry out = entry(EntryType::File, "mixed");
    out.content = {chunk(writer, "begin"),
                   {Extent::Kind::Hole, 100'000, {}, {}},
                   {Extent::Kind::Inline, 6, {}, "inline"},
                   {Extent::Kind::Hole, 5000, {}, {}}};
    out.size = 5 + 100'000 + 6 + 5000;
    return out;
  }
  Entry many_names(Writer& writer) {
    DirectoryWriter names(writer);
    for (int i = 1000; i < 1200; ++i) names.add(file(writer, "name-" + std::to_string(i), ""));
    Entry out = entry(EntryType::Directory, "many");
    out.node = names.finish().node;
    return out;
  }
  SnapshotRecord tree(const std::string& name, int number, int when) {
    const std::unique_ptr<Writer> out = writer("rsync", name);
    SnapshotRecord record = this->record("rsync", name, when);
    DirectoryWriter root(*out);
    Entry linked = file(*out, "a-link", "linked\n");
    linked.links = 2;
    root.add(linked);
    Entry other = linked;
    other.name = "b-link";
    root.add(other);
    root.add(file(*out, "caf\xc3\xa9 \x01", text_of(number, 1)));
    root.add(file(*out, "compressible", text_of(number, 300)));
    Entry empty = entry(EntryType::Directory, "empty");
    empty.node = DirectoryWriter(*out).finish().node;
    root.add(empty);
    root.add(long_file(*out, number));
    root.add(many_names(*out));
    root.add(mixed_file(*out));
    root.add(file(*out, "noise", noise(1000)));
    Entry pipe = entry(EntryType::Fifo, "pipe");
    root.add(pipe);
    Entry link = entry(EntryType::Symlink, "symlink");
    link.target = "compressible";
    link.size = link.target.size();
    root.add(link);
    Entry tagged = file(*out, "tagged", "tagged\n");
    tagged.xattrs = {{"user.note", " \x01x"}};
    root.add(tagged);
    record.root = entry(EntryType::Directory, "");
    const auto done = root.finish();
    record.root.node = done.node;
    record.root.has_subdirectories = done.has_subdirectories;
    record.files = 408;
    record.directories = 3;
    record.others = 2;
    record.skipped = {"unreadable private/key%0A"};
    record.skipped_count = 1;
    return out->commit(std::move(record));
  }
  SnapshotRecord archive() {
    const std::unique_ptr<Writer> out = writer("sftp", "/srv/archive");
    SnapshotRecord record = this->record("sftp", "/srv/archive", 4);
    const std::string content = noise(40'000);
    record.archive_sha256 = Sha256::of(content).hex();
    StreamWriter stream(*out, store_->chunker());
    stream.feed(content);
    record.root = entry(EntryType::File, "");
    record.root.size = record.bytes = content.size();
    record.root.content = stream.finish();
    record.files = 1;
    return out->commit(std::move(record));
  }
  void mark(MarkKind kind, const SnapshotRecord& record) {
    store_->mark_snapshots("web1", {kind, {1783100000, 0}, "root", "a reason"},
                           std::vector<std::string>{record.id});
  }
  void checkpoint(const SnapshotRecord& of) {
    const std::unique_ptr<Writer> out = writer("rsync", "/srv/unfinished");
    CheckpointRecord record;
    record.client = "web1";
    record.module = "golden";
    record.method = "rsync";
    record.name = "/srv/unfinished";
    record.began = {1783020000, 0};
    record.saved = {1783020180, 0};
    record.node = of.root.node;
    out->save_checkpoint(record);
  }

  std::unique_ptr<Store> store_;
  std::string seal_file_;
  std::uint64_t inode_ = 100;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) return kExitUsage;
  try {
    Maker(argv[1], argc > 2 ? argv[2] : "", argc > 3 ? argv[3] : "").make();
    return 0;
  } catch (const Error& error) {
    std::fprintf(stderr, "golden_store: %s\n", error.what());
    return exit_status(error.kind());
  }
}
