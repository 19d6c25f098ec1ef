#include "tests/support/pull_world.h"

#include "common/error/error.h"
#include "common/restore/tree_writer.h"
#include "server/store/tree.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <map>

namespace bk::test {

namespace {

std::array<Fd, 2> make_pipe() {
  std::array<int, 2> ends{};
  check_sys(pipe2(ends.data(), O_CLOEXEC), [] { return "making a pipe"; });
  return {Fd(ends[0]), Fd(ends[1])};
}

// One export: a loop over a stack, as trees are deep.
class Exporter {
 public:
  Exporter(store::Store& store, int destination) : store_(store), writer_(destination, "export", report_) {}

  void run(const Entry& root) {
    enter(root);
    while (!stack_.empty()) {
      auto entry = stack_.back().next();
      if (!entry) {
        writer_.leave();
        stack_.pop_back();
      } else if (entry->type == EntryType::Directory) {
        enter(*entry);
      } else {
        make(*entry);
      }
    }
    for (const std::string& line : report_.lines()) ADD_FAILURE() << "export: " << line;
  }

 private:
  void enter(const Entry& directory) {
    writer_.enter(directory);
    stack_.emplace_back(store_, directory.node);
  }

  void make(const Entry& entry) {
    if (entry.links > 1) {
      const auto [at, is_new] = made_.try_emplace({entry.device, entry.inode}, writer_.path_of(entry.name));
      if (!is_new && writer_.link(at->second, entry)) return;
    }
    if (entry.type != EntryType::File) return writer_.make_special(entry);
    auto file = writer_.begin_file(entry);
    std::uint64_t offset = 0;
    store::for_each_extent(store_, entry, [&](const Extent& extent) {
      if (extent.kind == Extent::Kind::Chunk) file->write(offset, store_.read(ObjectKind::Data, extent.id));
      if (extent.kind == Extent::Kind::Inline) file->write(offset, extent.inline_data);
      offset += extent.bytes;
    });
    EXPECT_EQ(offset, entry.unreadable ? 0 : entry.size) << entry.name;
    file->finish();
  }

  store::Store& store_;
  RestoreReport report_;
  bk::TreeWriter writer_;
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

std::unique_ptr<store::Writer> PullWorld::writer(const std::string& client) {
  return store_->writer(client, "directories", "rsync", source());
}

pull::PullReport PullWorld::pull_from(pull::ByteStream& stream, store::Writer& writer,
                                      const pull::PullOptions& options) {
  return pull::pull_tree(stream, *store_, writer, newest_, source(), options);
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
