#include "server/access/access_names.h"

#include "common/path/names.h"

#include <algorithm>

namespace bk::server {
namespace {

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_alnum(char c) { return is_letter(c) || (c >= '0' && c <= '9'); }
bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }

bool all_of(std::string_view text, std::string_view also) {
  return std::all_of(text.begin(), text.end(),
                     [&](char c) { return is_alnum(c) || also.find(c) != std::string_view::npos; });
}

bool is_gitosis_user(std::string_view name) {
  const std::size_t sign = std::min(name.find('@'), name.size());
  const std::string_view local = name.substr(0, sign);
  if (local.empty() || !is_letter(local.front()) || !all_of(local, "_.-")) return false;
  if (sign == name.size()) return true;
  const std::string_view host = name.substr(sign + 1);
  return !host.empty() && is_letter(host.front()) && all_of(host, ".-");
}

bool goes_up(std::string_view path) {
  for (std::size_t begin = 0; begin <= path.size();) {
    const std::size_t end = std::min(path.find('/', begin), path.size());
    if (path.substr(begin, end - begin) == "..") return true;
    begin = end + 1;
  }
  return false;
}

}  // namespace

bool is_user_name(std::string_view name) {
  return name.size() <= 128 && (is_gitosis_user(name) || is_safe_name(name));
}

bool is_repository_name(std::string_view name) {
  if (name.size() > 1024) return false;
  for (std::size_t begin = 0; begin <= name.size();) {
    const std::size_t end = std::min(name.find('/', begin), name.size());
    const std::string_view part = name.substr(begin, end - begin);
    if (part.empty() || part.size() > 250 || !is_alnum(part.front()) || !all_of(part, "@._-")) return false;
    begin = end + 1;
  }
  return true;
}

bool is_dangerous_name(std::string_view name) {
  return name.starts_with('/') || name.starts_with('~') || goes_up(name) ||
         name.find_first_of("*?[]{}\\`$|<>") != std::string_view::npos ||
         std::any_of(name.begin(), name.end(), is_control);
}

bool is_repository_prefix(std::string_view path) {
  return !path.empty() && path.size() <= 4096 && !path.starts_with('~') && !goes_up(path) &&
         std::none_of(path.begin(), path.end(), is_control);
}

std::string_view without_git(std::string_view name) {
  constexpr std::string_view kSuffix = ".git";
  if (!name.ends_with(kSuffix)) return name;
  const std::string_view stem = name.substr(0, name.size() - kSuffix.size());
  return stem.empty() || stem.ends_with('/') ? name : stem;
}

}  // namespace bk::server
