#include "server/backup/not_taken.h"

#include "common/error/error.h"
#include "common/io/file.h"
#include "common/path/names.h"
#include "common/text/document.h"
#include "server/backup/verdict.h"

#include <algorithm>
#include <optional>

namespace bk::server {
namespace {

constexpr std::uint64_t kMostBytes = 65536;
constexpr std::size_t kMostReason = 2000;
constexpr const char* kFormat = "bk-not-taken";

std::string folder_of(const std::string& home) { return home + "/log/not-taken"; }

std::optional<NotTaken> read_mark(const std::string& home, const std::string& client) {
  try {
    const std::optional<std::string> text = try_read_file(folder_of(home) + "/" + client, kMostBytes);
    if (!text) return std::nullopt;
    const Document doc = Document::parse(*text, kFormat);
    return NotTaken{client, parse_timestamp(doc.get("since")).value_or(Timestamp{}), doc.get("reason")};
  } catch (const Error& error) {
    return NotTaken{client, {}, std::string("log/not-taken/") + client + ": " + error.what()};
  }
}

}  // namespace

std::string note_not_taken(const std::string& home, const std::string& client, const std::string& why,
                           Timestamp now, const Log& log) {
  const std::string reason = why.substr(0, kMostReason);
  const std::optional<NotTaken> before = read_mark(home, client);
  const NotTaken mark{client, before && before->since.seconds > 0 ? before->since : now, reason};
  const std::string line = describe_not_taken(mark);
  if (before && before->reason == reason) return line;
  ensure_directory(folder_of(home));
  Document doc(kFormat, 1);
  doc.add("since", to_text(mark.since)).add("reason", reason);
  replace_durably(folder_of(home) + "/" + client, doc.write());
  log.notice(line);
  return line;
}

std::string describe_not_taken(const NotTaken& mark) {
  return mark.client + ": its requests are not taken since " + to_text(mark.since).substr(0, 19) + "Z (" +
         one_line(mark.reason) + "); they wait in repositories/" + mark.client +
         ".git, and every run tries again";
}

bool forget_not_taken(const std::string& home, const std::string& client) {
  const std::string file = folder_of(home) + "/" + client;
  if (!path_exists(file)) return false;
  remove_durably(file);
  return true;
}

std::vector<NotTaken> list_not_taken(const std::string& home) {
  std::vector<NotTaken> out;
  if (!is_directory(folder_of(home))) return out;
  for (const std::string& client : list_directory(folder_of(home)))
    if (is_safe_name(client))
      if (std::optional<NotTaken> mark = read_mark(home, client)) out.push_back(*std::move(mark));
  std::sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return a.client < b.client; });
  return out;
}

}  // namespace bk::server
