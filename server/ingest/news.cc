#include "server/ingest/news.h"

#include "common/error/error.h"
#include "common/io/file.h"
#include "server/ingest/receipt_branch.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <optional>

namespace bk::server {
namespace {

constexpr std::uint64_t kMostBytes = 4096;

std::string looked_after_file(const std::string& repository) { return repository + "/backline/looked-after"; }
std::string ref_file(const std::string& repository, const char* ref) { return repository + "/" + ref; }

// Empty when there is no such file; throws when it cannot be read at once.
std::string small_file(const std::string& path) {
  const Fd fd(::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  if (!fd && errno == ENOENT) return {};
  struct stat info {};
  if (!fd || ::fstat(fd.get(), &info) != 0 || !S_ISREG(info.st_mode))
    throw Error(Kind::Io, path + " cannot be read");
  return read_rest(fd.get(), kMostBytes);
}

bool holds(const std::string& folder, std::string_view prefix) {
  if (!path_exists(folder)) return false;
  const std::vector<std::string> names = list_directory(folder);
  return std::any_of(names.begin(), names.end(),
                     [prefix](const std::string& name) { return name.starts_with(prefix); });
}

// What a killed push leaves.
bool has_leftovers(const std::string& repository) {
  for (const char* ref : {kRequestsRef, kReceiptsRef})
    if (path_exists(ref_file(repository, ref) + ".lock")) return true;
  const std::string objects = repository + "/objects";
  return holds(objects, "tmp_objdir-") || holds(objects, "incoming-") || holds(objects + "/pack", "tmp_");
}

}  // namespace

bool has_news(const std::string& repository) noexcept {
  try {
    const std::string tip = small_file(ref_file(repository, kRequestsRef));
    if (tip != small_file(repository + "/backline/cursor")) return true;
    if (tip.empty() && path_exists(repository + "/packed-refs")) return true;
    return small_file(ref_file(repository, kReceiptsRef)) != small_file(looked_after_file(repository)) ||
           has_leftovers(repository);
  } catch (const std::exception&) {
    return true;
  }
}

void note_looked_after(const std::string& repository) {
  const std::string receipts = small_file(ref_file(repository, kReceiptsRef));
  if (receipts != small_file(looked_after_file(repository)))
    replace_durably(looked_after_file(repository), receipts);
}

}  // namespace bk::server
