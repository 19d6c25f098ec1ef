#include "server/ingest/commit_message.h"

namespace bk::server {

std::optional<git::Oid> confirmed_receipts(std::string_view message) {
  constexpr std::string_view kKey = "receipts: ";
  constexpr std::size_t kMaxMessage = 65536;
  message = message.substr(0, kMaxMessage);
  const std::size_t body = message.find("\n\n");
  if (body == std::string_view::npos) return std::nullopt;
  message.remove_prefix(body + 2);
  while (!message.empty()) {
    const std::size_t end = std::min(message.find('\n'), message.size());
    const std::string_view line = message.substr(0, end);
    message.remove_prefix(std::min(end + 1, message.size()));
    if (line.starts_with(kKey)) return git::Oid::from_hex(line.substr(kKey.size()));
  }
  return std::nullopt;
}

}  // namespace bk::server
