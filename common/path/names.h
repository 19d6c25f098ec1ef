// Names that strangers choose become values of these types here or not at all.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace bk {

// Clients, servers, modules: [A-Za-z0-9][A-Za-z0-9._-]{0,63}, matched in full, and without "..".
[[nodiscard]] bool is_safe_name(std::string_view name);
// As above, but throws `Usage` with the rule; `what` is "module", "server", "client" …
void require_safe_name(std::string_view what, std::string_view name);

// An absolute path as the peer may name it: begins with '/', no NUL, no empty, "." or ".." component, at most
// 4,096 bytes, no trailing '/', except "/" itself.  Any other byte may occur.
[[nodiscard]] bool is_clean_absolute(std::string_view path);

// A path below some root: no leading '/', no NUL, no empty, "." or ".." component.  Empty means the root
// itself.
class RelPath {
 public:
  RelPath() = default;
  [[nodiscard]] static std::optional<RelPath> from(std::string_view bytes);
  [[nodiscard]] const std::string& bytes() const { return bytes_; }
  [[nodiscard]] bool empty() const { return bytes_.empty(); }
  auto operator<=>(const RelPath&) const = default;

 private:
  std::string bytes_;
};

// One component: not empty, no '/', no NUL, not "." or "..", at most 255 bytes.
[[nodiscard]] bool is_component(std::string_view name);

}  // namespace bk
