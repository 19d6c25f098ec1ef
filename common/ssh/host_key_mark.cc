#include "common/ssh/host_key_mark.h"

#include "common/error/error.h"
#include "common/io/file.h"
#include "common/text/escape.h"

#include <algorithm>
#include <optional>

namespace bk::ssh {
namespace {

constexpr std::size_t kMaxMark = 65536;

// The value of "key: value" in a mark.
std::string field(std::string_view text, std::string_view key) {
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    if (line.starts_with(key) && line.substr(key.size()).starts_with(": "))
      return std::string(line.substr(key.size() + 2));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return {};
}

std::optional<HostKeyMark> read_mark(const std::string& file) {
  const std::optional<std::string> text = try_read_file(file, kMaxMark);
  if (!text) return std::nullopt;
  return HostKeyMark{base_name(file), field(*text, "pinned"), field(*text, "shown"), field(*text, "since")};
}

std::string folder_of(const std::string& home) { return home + "/log/hostkey-changed"; }

}  // namespace

std::string host_key_mark_file(const std::string& home, const std::string& peer) {
  return folder_of(home) + "/" + peer;
}

void require_no_mark(const std::string& file, std::string_view pinned) {
  const std::optional<HostKeyMark> mark = read_mark(file);
  if (!mark) return;
  if (mark->pinned != pinned) return remove_durably(file);
  throw Error(Kind::Refused,
              describe_mark(*mark) + "; when the old key is right after all, remove " + quoted(file));
}

void mark_host_key(const std::string& file, std::string_view pinned, std::string_view shown, Timestamp now) {
  const std::optional<HostKeyMark> mark = read_mark(file);
  if (mark && mark->pinned == pinned) return;
  ensure_directory(parent_of(file));
  replace_durably(file, "pinned: " + std::string(pinned) + "\nshown: " + std::string(shown) +
                            "\nsince: " + to_text(now) + "\n");
}

std::vector<HostKeyMark> list_host_key_marks(const std::string& home) {
  std::vector<HostKeyMark> out;
  if (!is_directory(folder_of(home))) return out;
  for (const std::string& name : list_directory(folder_of(home))) {
    if (name.starts_with('.')) continue;
    if (std::optional<HostKeyMark> mark = read_mark(host_key_mark_file(home, name)))
      out.push_back(*std::move(mark));
  }
  std::sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return a.peer < b.peer; });
  return out;
}

std::string describe_mark(const HostKeyMark& mark) {
  return quoted(mark.peer) + ": the host key changed, seen " + mark.since + ": it shows " + mark.shown +
         ", pinned is " + mark.pinned + "; nobody connects until another key is pinned";
}

}  // namespace bk::ssh
