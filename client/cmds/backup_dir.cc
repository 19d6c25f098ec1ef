// backup_dir PATH: the cmd of module directories.  The agent reads the tree as it is when the server pulls.
#include "client/modules/ready.h"
#include "common/error/error.h"
#include "common/io/file.h"
#include "common/options/options.h"
#include "common/text/escape.h"

#include <cstdlib>
#include <memory>

namespace {

// The agent opens no path through a symlink, so the place is where the path really leads.
std::string real_folder(const std::string& path) {
  const std::unique_ptr<char, void (*)(void*)> real(::realpath(path.c_str(), nullptr), &::free);
  if (!real) throw bk::sys_error(errno, "looking at " + bk::quoted(path));
  // A folder that cannot even be listed is found out here and not in the night on the server.
  (void)bk::open_directory(real.get());
  return real.get();
}

// A snapshot that stands for the path (read_from in backupconfig.toml).
std::string place_of(const std::string& path) {
  const char* place = std::getenv("BACKLINE_PLACE");
  return place != nullptr && *place == '/' ? place : path;
}

}  // namespace

int main(int argc, char** argv) {
  bk::Options options("backup_dir", "cmd of module directories: make a folder ready to be pulled");
  options.usage("backup_dir PATH").positionals(1, 1);
  return bk::run_program(options, argc, argv, [&] {
    const bk::client::Run run = bk::client::current_run();
    const bk::SystemClock clock;
    bk::client::report_ready(run, {"rsync", std::nullopt, real_folder(place_of(options.words()[0]))}, {},
                             clock);
    return bk::kExitDone;
  });
}
