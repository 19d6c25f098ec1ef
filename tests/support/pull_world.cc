#include "tests/support/pull_world.h"

#include "common/error/error.h"
#include "common/restore/tree_restorer.h"
#include "server/store/tree.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <map>
#include <utility>

namespace bk::test {

namespace {

std::array<Fd, 2> make_pipe() {
  std::array<int, 2> ends{};
  check_sys(pipe2(ends.data(), O_CLOEXEC), [] { return "making a pipe"; });
  return {Fd(ends[0]), Fd(ends[1])};
}

// One export: a loop over a stack, as trees are deep.  Each entry is a window of its own.
class Exporter {
 public:
  Exporter(store::Store& store, int destination)
      : store_(store),
        restorer_(destination, "export", report_, [](const std::string& path, const std::string& reason) {
          ADD_FAILURE() << "export: " << path << ": " << reason;
        }) {}

  void run(const Entry& root) {
    enter(root);
    while (!stack_.empty()) {
      auto entry = stack_.back().next();
      if (!entry) {
        restorer_.leave();
        path_.resize(path_.rfind('/', path_.size() - 2) + 1);
        stack_.pop_back();
      } else if (entry->type == EntryType::Directory) {
        enter(*entry);
      } else {
        make(*entry);
      }
      restorer_.end_window();
    }
    restorer_.finish();
    for (const std::string& line : report_.lines()) ADD_FAILURE() << "export: " << line;
  }

 private:
  void enter(const Entry& directory) {
    restorer_.enter(directory);
    path_ += directory.name + "/";
    stack_.emplace_back(store_, directory.node);
  }

  void make(const Entry& entry) {
    if (entry.links > 1) {
      const auto [at, is_new] = made_.try_emplace({entry.device, entry.inode}, path_ + entry.name);
      if (!is_new) return restorer_.link(at->second, entry);
    }
    if (entry.type != EntryType::File) return restorer_.special(entry);
    std::uint64_t offset = 0;
    FilePart part;
    bool begun = false;
    const auto tell = [&](bool continues) {
      part.continues = continues;
      begun ? restorer_.more(std::exchange(part, {})) : restorer_.file(entry, std::exchange(part, {}));
      begun = true;
    };
    store::for_each_extent(store_, entry, [&](const Extent& extent) {
      if (extent.kind == Extent::Kind::Inline) part.inlines.emplace_back(offset, extent.inline_data);
      if (extent.kind == Extent::Kind::Chunk) {
        EncodedGroup group;
        group.bytes = store_.read(ObjectKind::Data, extent.id);
        group.content_bytes = static_cast<std::uint32_t>(group.bytes.size());
        part.placed_bytes = extent.bytes;
        tell(true);
        restorer_.group(std::move(group),
                        {{0, static_cast<std::uint32_t>(extent.bytes), files_, offset, extent.id}});
        restorer_.end_window();
      }
      offset += extent.bytes;
    });
    EXPECT_EQ(offset, entry.unreadable ? 0 : entry.size) << entry.name;
    tell(false);
    ++files_;
  }

  store::Store& store_;
  RestoreReport report_;
  TreeRestorer restorer_;
  std::string path_;
  std::uint64_t files_ = 0;
  std::vector<store::DirectoryReader> stack_;
  std::map<std::pair<std::uint64_t, std::uint64_t>, std::string> made_;
};

}  // namespace

AgentProcess::AgentProcess(std::vector<std::string> arguments) {
  (void)::signal(SIGPIPE, SIG_IGN);
  auto to = make_pipe();
  auto from = make_pipe();
  Command command;
  command.argv = std::move(arguments);
  command.argv.insert(command.argv.begin(), BK_TREE_AGENT);
  command.stdin_fd = to[0].get();
  command.stdout_fd = from[1].get();
  command.stderr_fd = STDERR_FILENO;
  child_ = std::make_unique<Child>(start(command));
  stream_ = std::make_unique<pull::PipeStream>(
      std::move(from[0]), std::move(to[1]), [this](pull::Millis limit) { return child_->wait_for(limit); });
}

PullWorld::PullWorld() : store_(store::Store::open(dir_.file("store"), true)) {}

void PullWorld::reopen(bool empty) {
  store_.reset();
  if (empty) {
    newest_.reset();
    remove_tree(dir_.file("store"));
    remove_tree(dir_.file("store.index"));
  }
  store_ = store::Store::open(dir_.file("store"), true);
}

std::unique_ptr<store::Writer> PullWorld::writer(const std::string& client) {
  return store_->writer(client, "directories", "rsync", source());
}

pull::PullReport PullWorld::pull_from(pull::ByteStream& stream, store::Writer& writer,
                                      const pull::PullOptions& options) {
  return pull::pull_tree(stream, *store_, writer, newest_, source(), options);
}

pull::PullReport PullWorld::resume_from(pull::ByteStream& stream, store::Writer& writer,
                                        pull::PullOptions options) {
  options.begun = store_->checkpoint("web1", "directories", "rsync", source());
  options.checkpoint = [&](const Entry& root) {
    const Timestamp now = SystemClock().now();
    writer.save_checkpoint(
        {"web1", "directories", "rsync", source(), now, now, root.node, root.has_subdirectories});
  };
  return pull_from(stream, writer, options);
}

void PullWorld::commit(store::Writer& writer, const pull::PullReport& report) {
  store::SnapshotRecord record;
  record.client = "web1";
  record.module = "directories";
  record.method = "rsync";
  record.name = source();
  record.began = SystemClock().now();
  record.ended = record.began;
  record.by = "web1";
  record.root = report.root;
  record.files = report.files;
  record.directories = report.directories;
  record.others = report.others;
  record.bytes = report.bytes;
  record.skipped = report.skipped;
  record.skipped_count = report.skipped_count;
  newest_ = writer.commit(record);
}

pull::PullReport PullWorld::pull(std::vector<std::string> agent_arguments) {
  agent_arguments.push_back(source());
  AgentProcess agent(std::move(agent_arguments));
  const auto out = writer();
  pull::PullReport report = pull_from(agent.stream(), *out);
  commit(*out, report);
  return report;
}

std::string PullWorld::differences(const std::string& name) {
  export_tree(*store_, newest_->root, file(name));
  Command command;
  command.argv = {"python3", BK_SOURCE "/tests/support/compare_trees.py", source(), file(name) + "/root"};
  command.environment = base_environment("/");
  const Captured result = run_captured(command, std::chrono::seconds(100));
  return result.status == 0 ? "" : result.out + result.err;
}

std::uint64_t PullWorld::store_bytes() const {
  return std::stoull(run_tool({"du", "-sb", "--apparent-size", store_->directory()}));
}

void export_tree(store::Store& store, const Entry& root, const std::string& destination) {
  ensure_directory(destination);
  const Fd fd = open_directory(destination);
  Entry named = root;
  named.name = "root";
  Exporter(store, fd.get()).run(named);
}

std::string run_tool(const std::vector<std::string>& argv) {
  Command command;
  command.argv = argv;
  command.environment = base_environment("/");
  const Captured result = run_captured(command, std::chrono::seconds(100));
  if (result.status != 0) throw std::runtime_error(argv[0] + ": " + result.out + result.err);
  return result.out;
}

}  // namespace bk::test
