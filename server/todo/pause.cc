#include "server/todo/pause.h"

#include "common/error/error.h"
#include "common/io/file.h"
#include "common/path/names.h"
#include "common/text/escape.h"

#include <sys/stat.h>

namespace bk::server {
namespace {

constexpr const char* kPaused = ".paused";

}  // namespace

std::string Pauses::file(const std::string& client) const {
  if (client.empty()) return join_path(todo_, kPaused);
  require_safe_name("client", client);
  return join_path(join_path(todo_, client), kPaused);
}

std::optional<Timestamp> Pauses::since(const std::string& client) const {
  const std::string path = file(client);
  struct stat info {};
  if (::lstat(path.c_str(), &info) == 0)
    return Timestamp{info.st_mtim.tv_sec, static_cast<std::uint32_t>(info.st_mtim.tv_nsec)};
  if (errno == ENOENT || errno == ENOTDIR) return std::nullopt;
  throw sys_error(errno, "looking at " + quoted(path));
}

bool Pauses::pause(const std::string& client) const {
  const std::string path = file(client);
  ensure_directory(parent_of(path));
  return create_durably(path, "");
}

bool Pauses::resume(const std::string& client) const {
  const std::string path = file(client);
  if (!path_exists(path)) return false;
  remove_durably(path);
  return true;
}

}  // namespace bk::server
