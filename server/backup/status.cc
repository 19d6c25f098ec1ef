#include "server/backup/status.h"

#include "common/text/escape.h"

#include <fmt/format.h>

#include <map>
#include <nlohmann/json.hpp>
#include <tuple>

namespace bk::server {
namespace {

using Key = std::tuple<std::string, std::string, std::string, std::string>;

std::string second_text(Timestamp time) { return to_text({time.seconds, 0}).substr(0, 19) + "Z"; }

std::string state_of(const TodoList::Named& item, Timestamp now) {
  if (item.state == 'P') return "working";
  return item.item.not_before && *item.item.not_before > now ? "waiting" : "queued";
}

nlohmann::json json_of(const Progress& p) {
  nlohmann::json out;
  out["files_read"] = p.done.files;
  out["directories"] = p.done.directories;
  out["bytes"] = p.done.bytes;
  out["received_bytes"] = p.done.received_bytes;
  out["stored_bytes"] = p.done.stored_bytes;
  out["seconds"] = p.seconds;
  out["bytes_per_second"] = p.rate;
  const auto left = estimate(p);
  out["seconds_left"] = left ? nlohmann::json(*left) : nlohmann::json();
  return out;
}

nlohmann::json json_of(const SourceStatus& s, Timestamp now) {
  nlohmann::json out;
  out["client"] = s.client;
  out["module"] = s.module;
  out["method"] = s.method;
  out["path"] = percent_encode(s.name);
  out["path_b64"] = base64url_encode(s.name);
  out["snapshots"] = s.snapshots;
  out["state"] = s.state;
  out["attempts"] = s.attempts;
  out["last_success"] = s.last_success ? nlohmann::json(to_text(*s.last_success)) : nlohmann::json();
  out["age_seconds"] =
      s.last_success ? nlohmann::json(now.seconds - s.last_success->seconds) : nlohmann::json();
  out["files"] = s.files;
  out["bytes"] = s.bytes;
  out["skipped"] = s.skipped;
  out["next_try"] = s.next_try ? nlohmann::json(to_text(*s.next_try)) : nlohmann::json();
  out["last_error"] = percent_encode(s.last_error);
  out["progress"] = s.progress ? json_of(*s.progress) : nlohmann::json();
  return out;
}

}  // namespace

std::vector<SourceStatus> collect_status(const std::vector<CatalogSnapshot>& snapshots,
                                         const std::vector<TodoList::Named>& items, Timestamp now) {
  std::map<Key, SourceStatus> sources;
  const auto at = [&](const std::string& client, const std::string& name, const std::string& module,
                      const std::string& method) -> SourceStatus& {
    SourceStatus& s = sources[{client, name, module, method}];
    s.client = client;
    s.name = name;
    s.module = module;
    s.method = method;
    if (s.state.empty()) s.state = "idle";
    return s;
  };
  for (const CatalogSnapshot& row : snapshots) {
    SourceStatus& s = at(row.client, row.name, row.module, row.method);
    ++s.snapshots;
    if (s.last_success && *s.last_success > row.began) continue;
    s.last_success = row.began;
    s.files = row.files;
    s.bytes = row.bytes;
    s.skipped = row.skipped;
  }
  for (const TodoList::Named& item : items) {
    const proto::Request& r = item.item.request;
    SourceStatus& s = at(item.client, r.name, r.module, r.method);
    if (s.state == "working") continue;
    s.state = state_of(item, now);
    if (s.state == "working") s.stem = item.stem;
    s.attempts = item.item.attempts;
    s.next_try = item.item.not_before;
    s.last_error = item.item.last_error;
  }
  std::vector<SourceStatus> out;
  for (auto& [key, source] : sources) out.push_back(std::move(source));
  return out;
}

std::string show_age(Timestamp then, Timestamp now) {
  const std::int64_t seconds = std::max<std::int64_t>(now.seconds - then.seconds, 0);
  if (seconds < 120) return fmt::format("{} s", seconds);
  if (seconds < 7200) return fmt::format("{} min", seconds / 60);
  if (seconds < 172800) return fmt::format("{} h", seconds / 3600);
  return fmt::format("{} d", seconds / 86400);
}

std::string show_status(const std::vector<SourceStatus>& sources, Timestamp now) {
  std::string out;
  std::size_t queued = 0;
  for (const SourceStatus& s : sources) {
    if (s.state != "idle") ++queued;
    out += fmt::format("{} {} {} {}\n", s.client, s.module, s.method, bk::quoted(s.name));
    out += s.last_success ? fmt::format("  last success {} ({} ago), {} snapshots, {} files, {} bytes",
                                        second_text(*s.last_success), show_age(*s.last_success, now),
                                        s.snapshots, s.files, s.bytes)
                          : std::string("  no success yet");
    if (s.skipped > 0) out += fmt::format(", {} skipped", s.skipped);
    out += "\n";
    if (s.state == "idle") continue;
    out += "  " + s.state;
    if (s.progress) out += ": " + show_progress(*s.progress);
    if (s.attempts > 0) out += fmt::format(", {} failed attempts", s.attempts);
    if (s.next_try && *s.next_try > now) out += ", next try " + second_text(*s.next_try);
    if (!s.last_error.empty()) out += ": " + s.last_error;
    out += "\n";
  }
  return out + fmt::format("{} sources, {} with open requests\n", sources.size(), queued);
}

std::string show_status_json(const std::vector<SourceStatus>& sources, Timestamp now) {
  nlohmann::json out;
  out["time"] = to_text(now);
  out["sources"] = nlohmann::json::array();
  for (const SourceStatus& s : sources) out["sources"].push_back(json_of(s, now));
  return out.dump(2) + "\n";
}

}  // namespace bk::server
