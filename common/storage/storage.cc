#include "common/storage/storage.h"

#include "common/error/error.h"
#include "common/text/escape.h"

namespace bk {
namespace {

constexpr std::size_t kPage = 8192;  // names; those of a service come in smaller pages

bool is_alnum(char c) { return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'); }

bool is_part(std::string_view part) {
  if (part.empty() || part.size() > 255 || !is_alnum(part.front())) return false;
  for (const char c : part) {
    if (!is_alnum(c) && c != '.' && c != '_' && c != '-') return false;
  }
  return true;
}

}  // namespace

bool is_object_name(std::string_view name) noexcept {
  if (name.size() > kMaxNameBytes) return false;
  for (;;) {
    const std::size_t slash = name.find('/');
    if (!is_part(name.substr(0, slash))) return false;
    if (slash == std::string_view::npos) return true;
    name.remove_prefix(slash + 1);
  }
}

void require_object_name(std::string_view name) {
  if (!is_object_name(name)) throw Error(Kind::Usage, quoted(name) + " is no name for a stored object");
}

std::optional<std::string> Storage::get(const std::string& name, std::uint64_t limit_bytes) {
  const std::unique_ptr<ObjectReader> reader = open(name);
  if (!reader) return std::nullopt;
  const std::uint64_t size = reader->size();
  if (size > limit_bytes) throw sys_error(EFBIG, "reading " + quoted(shown(name)));
  std::string out(static_cast<std::size_t>(size), '\0');
  out.resize(reader->read(0, out.data(), out.size()));
  return out;
}

void for_each_object(Storage& storage, const std::string& prefix,
                     const std::function<bool(const ListedObject&)>& visit) {
  for (std::string after;;) {
    const std::vector<ListedObject> page = storage.list(prefix, after, kPage);
    if (page.empty()) return;
    for (const ListedObject& object : page) {
      if (!visit(object)) return;
    }
    after = page.back().name;
  }
}

std::vector<std::string> list_parts(Storage& storage, const std::string& prefix) {
  std::vector<std::string> out;
  for (std::string after;;) {
    const std::vector<ListedObject> next = storage.list(prefix, after, 1);
    if (next.empty()) return out;
    const std::string& name = next.front().name;
    const std::size_t slash = name.find('/', prefix.size());
    if (slash == std::string::npos) {
      after = name;
      continue;
    }
    out.push_back(name.substr(prefix.size(), slash - prefix.size()));
    after = name.substr(0, slash) + static_cast<char>('/' + 1);  // behind everything below that part
  }
}

}  // namespace bk
