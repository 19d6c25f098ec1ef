#include "common/path/names.h"

#include "common/error/error.h"
#include "common/text/escape.h"

#include <algorithm>

namespace bk {
namespace {

bool is_alnum(char c) { return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

bool is_clean_relative(std::string_view path) {
  for (std::size_t begin = 0; begin <= path.size();) {
    const std::size_t end = std::min(path.find('/', begin), path.size());
    if (!is_component(path.substr(begin, end - begin))) return false;
    begin = end + 1;
  }
  return true;
}

}  // namespace

bool is_safe_name(std::string_view name) {
  if (name.empty() || name.size() > 64 || !is_alnum(name.front())) return false;
  if (name.find("..") != std::string_view::npos) return false;
  return std::all_of(name.begin(), name.end(),
                     [](char c) { return is_alnum(c) || c == '.' || c == '_' || c == '-'; });
}

void require_safe_name(std::string_view what, std::string_view name) {
  if (is_safe_name(name)) return;
  throw Error(Kind::Usage, std::string(what) + " " + quoted(name) +
                               ": a name has 1 to 64 letters, digits, '.', '_' or '-', begins with a letter "
                               "or digit, and holds no \"..\"");
}

bool is_component(std::string_view name) {
  return !name.empty() && name.size() <= 255 && name != "." && name != ".." &&
         name.find('/') == std::string_view::npos && name.find('\0') == std::string_view::npos;
}

bool is_clean_absolute(std::string_view path) {
  if (path == "/") return true;
  return path.size() <= 4096 && !path.empty() && path.front() == '/' && is_clean_relative(path.substr(1));
}

std::optional<RelPath> RelPath::from(std::string_view bytes) {
  if (!bytes.empty() && !is_clean_relative(bytes)) return std::nullopt;
  RelPath path;
  path.bytes_ = bytes;
  return path;
}

}  // namespace bk
