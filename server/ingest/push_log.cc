#include "server/ingest/push_log.h"

#include "server/access/gitosis_conf.h"

namespace bk::server {

// "<old> <new> key (USER) <backline@localhost> <seconds> <zone>\t<text>"
std::map<git::Oid, std::string> parse_push_log(std::string_view text) {
  constexpr std::string_view kBefore = " key (";
  constexpr std::string_view kBehind = ") <backline@localhost> ";
  std::map<git::Oid, std::string> out;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.size() < 81 || line.substr(81).substr(0, kBefore.size()) != kBefore) continue;
    const std::size_t from = 81 + kBefore.size();
    const std::size_t to = line.find(kBehind, from);
    const std::optional<git::Oid> tip = git::Oid::from_hex(line.substr(41, 40));
    if (to == std::string_view::npos || !tip || !is_user_name(line.substr(from, to - from))) continue;
    out[*tip] = line.substr(from, to - from);
  }
  return out;
}

}  // namespace bk::server
