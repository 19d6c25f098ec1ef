// SSH_ORIGINAL_COMMAND: refused, or one of four verbs and a path that can leave no folder.
#include "common/error/error.h"
#include "common/path/names.h"
#include "server/access/gate.h"

#include <cstdint>

using namespace bk;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  try {
    const server::GitCommand command = server::parse_git_command(text);
    BK_CHECK(command.write == command.verb.ends_with("receive-pack"));
    BK_CHECK(RelPath::from(command.path).has_value() && command.path.find_first_of("'\"\\ \n-") != 0);
    BK_CHECK(command.path.find('\'') == std::string::npos);
  } catch (const Error& error) {
    BK_CHECK(error.kind() == Kind::Refused);
  }
  return 0;
}
