// Pulls one tree twice into a new store through a local agent process and prints what each run cost:
//   tree_pull_bench SOURCE STORE [RUNS [DELAY_MS [STRIPES]]]
// Without a delay there is no SSH in between: what is measured is walking, reading, hashing, compressing,
// verifying and storing.  With one, a private sshd and a long way to it are; the agent's CPU is not counted.
#include "common/error/error.h"
#include "common/time/time.h"
#include "tests/support/long_way.h"
#include "tests/support/pull_world.h"
#include "tests/support/sshd.h"

#include <sys/resource.h>

#include <chrono>
#include <cstdio>
#include <optional>

namespace {

double cpu_seconds(int who) {
  rusage usage{};
  getrusage(who, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_usec);
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

long peak_kib(int who) {
  rusage usage{};
  getrusage(who, &usage);
  return usage.ru_maxrss;
}

// The agent behind a private sshd and a long way.
class FarAgent {
 public:
  FarAgent(const std::string& source, const std::string& delay, unsigned stripes)
      : sshd_({"command=\"" BK_TREE_AGENT " --server bench " + source + "\" ", {}, {}}),
        way_(sshd_.port(), {"--delay", delay}),
        stripes_(stripes) {}
  bk::pull::PullReport pull(bk::store::Store& store, bk::store::Writer& writer,
                            const std::optional<bk::store::SnapshotRecord>& previous,
                            const std::string& source) {
    bk::ssh::Endpoint endpoint = sshd_.endpoint();
    endpoint.address.port = way_.port();
    bk::ssh::Session session(endpoint);
    const auto channel = session.exec("backline tree");
    bk::pull::ChannelStream stream(*channel);
    bk::pull::PullOptions options;
    options.unasked = bk::pull::is_far(session.round_trip());
    if (options.unasked) options.stripes = stripes_;
    options.open_stripe = bk::pull::stripes_over_ssh(endpoint);
    return bk::pull::pull_tree(stream, store, writer, previous, source, options);
  }

 private:
  bk::test::Sshd sshd_;
  bk::test::LongWay way_;
  unsigned stripes_;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) return bk::kExitUsage;
  const std::string source = argv[1];
  const auto store = bk::store::Store::open(argv[2], true);
  std::optional<FarAgent> far;
  if (argc > 4) far.emplace(source, argv[4], argc > 5 ? static_cast<unsigned>(std::atoi(argv[5])) : 3);
  std::printf(
      "run  wall s  agent CPU s  server CPU s  wire MB  files read  stored MB  agent MiB  server MiB\n");
  for (int run = 1; run <= (argc > 3 ? std::atoi(argv[3]) : 2); ++run) {
    const auto begin = std::chrono::steady_clock::now();
    const double server = cpu_seconds(RUSAGE_SELF), agent_before = cpu_seconds(RUSAGE_CHILDREN);
    const auto previous = store->newest("bench", "directories", "rsync", source);
    const auto writer = store->writer("bench", "directories", "rsync", source);
    bk::pull::PullReport report;
    if (far) {
      report = far->pull(*store, *writer, previous, source);
    } else {
      bk::test::AgentProcess agent({source});
      report = bk::pull::pull_tree(agent.stream(), *store, *writer, previous, source);
    }
    bk::store::SnapshotRecord record;
    record.client = "bench";
    record.module = "directories";
    record.method = "rsync";
    record.name = source;
    record.began = record.ended = bk::SystemClock().now();
    record.by = "bench";
    record.root = report.root;
    (void)writer->commit(record);
    const std::chrono::duration<double> wall = std::chrono::steady_clock::now() - begin;
    std::printf("%3d %7.2f %12.2f %13.2f %8.2f %11llu %10.2f %10.1f %11.1f\n", run, wall.count(),
                cpu_seconds(RUSAGE_CHILDREN) - agent_before, cpu_seconds(RUSAGE_SELF) - server,
                1e-6 * static_cast<double>(report.received_bytes + report.sent_bytes),
                static_cast<unsigned long long>(report.read_files),
                1e-6 * static_cast<double>(writer->totals().stored_bytes),
                static_cast<double>(peak_kib(RUSAGE_CHILDREN)) / 1024,
                static_cast<double>(peak_kib(RUSAGE_SELF)) / 1024);
  }
  return 0;
}
