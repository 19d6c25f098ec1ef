// Where bk_access keeps things below the home of the server's user.
#pragma once

#include <string>
#include <string_view>

namespace bk::server {

inline constexpr const char* kAdminName = "gitosis-admin";
inline constexpr const char* kAdminRef = "refs/heads/master";

[[nodiscard]] std::string repositories_folder(const std::string& home);
[[nodiscard]] std::string admin_repository(const std::string& home);
// The accepted version of gitosis.conf or backline.conf: the rules in force, whatever is in the repository.
[[nodiscard]] std::string accepted_file(const std::string& home, std::string_view name);
// Hooks are links to our own programs, one folder for every kind of repository, outside the repositories.
[[nodiscard]] std::string hooks_folder(const std::string& home, std::string_view kind);  // "admin", "client"
// The program `name`, absolute: in <home>/scripts when it is there, else beside the running program.
[[nodiscard]] std::string program_path(const std::string& home, const std::string& name);
// A link in a hooks folder stands for its home: "<home>/repositories/.hooks/client/pre-receive".  Empty when
// `called` is no such path.
[[nodiscard]] std::string home_of_hook(const std::string& called);

}  // namespace bk::server
