#include "server/bkdb/place.h"

#include "common/error/error.h"
#include "common/io/file.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <memory>

namespace bk::bkdb {
namespace {

bool is_home(const std::string& folder) {
  return path_exists(join_path(folder, "backupconfig.toml")) || is_directory(join_path(folder, "store"));
}

std::optional<std::string> home_above(std::string folder) {
  for (;;) {
    if (is_home(folder)) return folder;
    if (folder == "/") return std::nullopt;
    folder = parent_of(folder);
  }
}

// Takes the first component off `rest`.
std::string take_component(std::string& rest) {
  const std::size_t slash = std::min(rest.find('/'), rest.size());
  std::string first = rest.substr(0, slash);
  rest.erase(0, std::min(slash + 1, rest.size()));
  return first;
}

bool same_file(const std::string& a, const std::string& b) {
  struct stat one {
  }, two{};
  return ::stat(a.c_str(), &one) == 0 && ::stat(b.c_str(), &two) == 0 && one.st_dev == two.st_dev &&
         one.st_ino == two.st_ino;
}

}  // namespace

Place find_place(const std::string& folder, const std::optional<std::string>& home,
                 const std::function<std::string()>& fallback) {
  Place place;
  if (home) {
    place.home = *home;
  } else {
    const std::optional<std::string> above = home_above(folder);
    place.home = above ? *above : fallback();
  }
  place.base_path = place.home;
  const std::string data = join_path(place.home, "data");
  if (folder == data) place.base_path = data;
  if (folder.starts_with(data + "/")) {
    std::string rest = folder.substr(data.size() + 1);
    place.filter.client = take_component(rest);
    place.filter.method = take_component(rest);
    place.base_path = folder;
  }
  return place;
}

std::string current_folder() {
  if (const char* spelled = std::getenv("PWD");
      spelled != nullptr && *spelled == '/' && same_file(spelled, ".")) {
    const std::string text = spelled;
    if (text.find("/../") == std::string::npos && !text.ends_with("/..")) return clean_absolute(text);
  }
  return clean_absolute(".");
}

}  // namespace bk::bkdb
