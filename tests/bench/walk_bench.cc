// Walks a tree as the agent does, without a server, and prints what it costs:
//   walk_bench FOLDER [TIMES]
#include "client/agent/beneath.h"
#include "client/agent/walker.h"
#include "common/error/error.h"

#include <sys/resource.h>

#include <cstdio>
#include <cstdlib>

namespace {

double cpu_seconds(const timeval& t) {
  return static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_usec);
}

void walk_once(const char* folder) {
  bk::agent::WalkContext context("/tmp");
  context.root = bk::agent::open_root(folder);
  context.report = [](bk::pull::SkipReason, int, std::string_view) {};
  rusage before{}, after{};
  getrusage(RUSAGE_SELF, &before);
  bk::agent::TreeWalker walker(context);
  while (walker.next()) {
  }
  getrusage(RUSAGE_SELF, &after);
  const double user = cpu_seconds(after.ru_utime) - cpu_seconds(before.ru_utime);
  const double system = cpu_seconds(after.ru_stime) - cpu_seconds(before.ru_stime);
  const auto& c = context.counters;
  const double entries = static_cast<double>(c.files + c.directories + c.others);
  std::printf("%9.0f entries %8llu folders  %6.2f CPU s (%.2f user)  %5.2f us each  %6.1f MiB\n", entries,
              static_cast<unsigned long long>(c.directories), user + system, user,
              1e6 * (user + system) / entries, static_cast<double>(after.ru_maxrss) / 1024);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) return bk::kExitUsage;
  for (int i = 0; i < (argc > 2 ? std::atoi(argv[2]) : 1); ++i) walk_once(argv[1]);
  return 0;
}
