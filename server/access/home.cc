#include "server/access/home.h"

#include "common/io/file.h"
#include "common/options/options.h"

namespace bk::server {
namespace {

constexpr std::string_view kHooks = "/repositories/.hooks/";

}  // namespace

std::string repositories_folder(const std::string& home) { return home + "/repositories"; }

std::string admin_repository(const std::string& home) {
  return repositories_folder(home) + "/" + kAdminName + ".git";
}

std::string accepted_file(const std::string& home, std::string_view name) {
  return admin_repository(home) + "/backline/" + std::string(name);
}

std::string hooks_folder(const std::string& home, std::string_view kind) {
  return home + std::string(kHooks) + std::string(kind);
}

std::string program_path(const std::string& home, const std::string& name) {
  std::string installed = home + "/scripts/" + name;
  return path_exists(installed) ? installed : program_directory() + "/" + name;
}

std::string home_of_hook(const std::string& called) {
  const std::size_t at = called.find(kHooks);
  return at == std::string::npos || called.front() != '/' ? std::string() : called.substr(0, at);
}

}  // namespace bk::server
