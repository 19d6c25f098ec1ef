// add_queue NAME "METHOD [TIMESTAMP] PLACE": how a cmd says that its data is ready.
#include "client/modules/ready.h"
#include "common/digest/sha256.h"
#include "common/error/error.h"
#include "common/io/file.h"
#include "common/options/options.h"
#include "common/text/escape.h"

#include <algorithm>

namespace {

using namespace bk;
using namespace bk::client;

std::vector<std::string> lines_of(const std::string& file) {
  std::vector<std::string> out;
  const std::string text = read_file(file, 64U << 20U);
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    if (end > begin) out.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return out;
}

int run(const Options& options) {
  const Run run = current_run();
  const std::string& word = options.words()[0];
  const std::optional<std::string> name = base64url_decode(word);
  if (!name) throw Error(Kind::Usage, quoted(word) + " is not base64url (RFC 4648 section 5, with padding)");
  if (*name != run.name)
    throw Error(Kind::Usage, "this run is for " + quoted(run.name) + ", not for " + quoted(*name));
  const ClientConfig config = load_config(run.home);
  ReadyOptions ready;
  ready.sha256 = options.get("sha256").value_or("");
  if (!ready.sha256.empty() && !Digest::from_hex(ready.sha256))
    throw Error(Kind::Usage, "--sha256: expected 64 lower-case hex digits");
  if (const std::optional<std::string> file = options.get("skipped")) ready.skipped = lines_of(*file);
  const SystemClock clock;
  report_ready(run, parse_ready_text(options.words()[1], config.host), ready, clock);
  return kExitDone;
}

}  // namespace

int main(int argc, char** argv) {
  bk::Options options("add_queue", "say that a module's data is ready (for cmds)");
  options.usage("add_queue [options] NAME \"METHOD [TIMESTAMP] PLACE\"");
  options.value("sha256", "HEX", "the SHA-256 of a prepared archive, when it is known");
  options.value("skipped", "FILE", "what could not be read: lines \"<reason> <percent path>\"");
  options.positionals(2, 2);
  return bk::run_program(options, argc, argv, [&] { return run(options); });
}
