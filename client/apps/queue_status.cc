#include "client/apps/queue_status.h"

#include "client/apps/wait_show.h"
#include "common/text/escape.h"
#include "common/text/json_path.h"

#include <fmt/format.h>

#include <map>
#include <nlohmann/json.hpp>
#include <tuple>

namespace bk::client {
namespace {

using nlohmann::json;

json json_of(const std::optional<agent::PullStatus>& pull) {
  if (!pull) return {};
  return {{"directories", pull->directories}, {"files", pull->files},     {"files_read", pull->read_files},
          {"bytes_read", pull->read_bytes},   {"seconds", pull->seconds}, {"bytes_per_second", pull->rate}};
}

json json_of(const proto::Receipt& outcome) {
  return {{"outcome", std::string(proto::to_word(outcome.outcome))},
          {"status", outcome.status},
          {"time", to_text(outcome.time)},
          {"reason", percent_encode(outcome.reason)},
          {"snapshot", outcome.snapshot},
          {"files", outcome.files},
          {"bytes", outcome.bytes},
          {"skipped", outcome.skipped_count}};
}

json json_of(const std::string& home, const Queue::Entry& entry) {
  const Queued& item = entry.item;
  json out;
  out["id"] = item.request.id;
  out["server"] = item.server;
  out["module"] = item.request.module;
  add_path(out, item.request.name);
  out["state"] = std::string(1, entry.state);
  out["step"] = std::string(to_word(item.step));
  out["requested"] = to_text(item.request.requested);
  out["attempts"] = item.attempts;
  out["next_try"] = item.not_before ? json(to_text(*item.not_before)) : json();
  out["reason"] = percent_encode(item.reason);
  out["outcome"] = item.outcome ? json_of(*item.outcome) : json();
  out["pull"] = json_of(pull_of(home, item));
  return out;
}

bool succeeded(const Queued& item) {
  return item.outcome &&
         (item.outcome->outcome == proto::Outcome::Ok || item.outcome->outcome == proto::Outcome::Partial);
}

using Source = std::tuple<std::string, std::string, std::string>;  // server, module, path

json json_of(const std::map<Source, std::optional<Timestamp>>& sources, Timestamp now) {
  json out = json::array();
  for (const auto& [source, success] : sources) {
    json one;
    one["server"] = std::get<0>(source);
    one["module"] = std::get<1>(source);
    add_path(one, std::get<2>(source));
    one["last_success"] = success ? json(to_text(*success)) : json();
    one["age_seconds"] = success ? json(now.seconds - success->seconds) : json();
    out.push_back(one);
  }
  return out;
}

}  // namespace

std::string status_table(const std::string& home, const Queue& queue) {
  std::string out;
  const Queue::Listing all = queue.list();
  for (const Queue::Entry& entry : all.entries) {
    out += fmt::format("{} {}  {}", entry.state, to_text(entry.item.request.requested).substr(0, 19) + "Z",
                       describe(entry.item));
    if (const auto pull = pull_of(home, entry.item)) out += "; being pulled: " + show_pull_status(*pull);
    out += '\n';
  }
  for (const std::string& text : all.damaged) out += "! " + text + "\n";
  if (out.empty()) out = queue.server() + ": nothing queued\n";
  return out;
}

std::string status_json(const std::string& home, const std::vector<Queue>& queues,
                        const std::vector<ssh::HostKeyMark>& changed, Timestamp now) {
  json out{{"time", to_text(now)},
           {"requests", json::array()},
           {"damaged", json::array()},
           {"host_keys", json::array()}};
  for (const ssh::HostKeyMark& mark : changed)
    out["host_keys"].push_back(
        {{"server", mark.peer}, {"pinned", mark.pinned}, {"shown", mark.shown}, {"since", mark.since}});
  std::map<Source, std::optional<Timestamp>> sources;
  for (const Queue& queue : queues) {
    const Queue::Listing all = queue.list();
    for (const Queue::Entry& entry : all.entries) {
      out["requests"].push_back(json_of(home, entry));
      const proto::Request& request = entry.item.request;
      auto& last = sources[{queue.server(), request.module, request.name}];
      if (succeeded(entry.item) && (!last || *last < entry.item.outcome->time))
        last = entry.item.outcome->time;
    }
    for (const std::string& text : all.damaged) out["damaged"].push_back(percent_encode(text));
  }
  out["sources"] = json_of(sources, now);
  return out.dump(2) + "\n";
}

}  // namespace bk::client
