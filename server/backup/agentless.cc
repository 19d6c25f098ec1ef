#include "server/backup/agentless.h"

#include "common/digest/sha256.h"
#include "common/random/random.h"

#include <algorithm>
#include <cstring>

namespace bk::server {
namespace {

std::string digest_text(const ClientRules& rules, const std::string& path, const std::string& period) {
  std::string text = "agentless request";
  for (const std::string& part : {rules.name, path, period}) text += '\0' + part;
  return text;
}

// Where in its period a source begins, in seconds.
std::int64_t offset_of(const ClientRules& rules, const std::string& path) {
  std::uint64_t value = 0;
  std::memcpy(&value, Sha256::of(digest_text(rules, path, "")).bytes.data(), sizeof value);
  return static_cast<std::int64_t>(value % static_cast<std::uint64_t>(rules.every.count()));
}

bool is_pending(const std::vector<TodoList::Named>& items, const std::string& client,
                const proto::Request& request) {
  const std::string stem = proto::request_stem(request.module, request.name);
  return std::any_of(items.begin(), items.end(),
                     [&](const auto& item) { return item.client == client && item.stem == stem; });
}

bool selected(const Selection& selection, const std::string& client) {
  return (selection.client.empty() || selection.client == client) &&
         (selection.module.empty() || selection.module == kAgentlessModule);
}

}  // namespace

proto::Request periodic_request(const ClientRules& rules, const std::string& path, Timestamp now) {
  const std::int64_t shifted = now.seconds + offset_of(rules, path);
  const std::int64_t period = shifted / rules.every.count();
  proto::Request request;
  const std::string text = std::to_string(rules.every.count()) + "/" + std::to_string(period);
  request.id = Sha256::of(digest_text(rules, path, text)).hex().substr(0, 32);
  request.counter = static_cast<std::uint64_t>(std::max<std::int64_t>(1, now.seconds));
  request.client = rules.name;
  request.module = kAgentlessModule;
  request.name = path;
  request.method = "rsync";
  request.place = path;
  request.requested = now;
  return request;
}

bool ask_for_agentless(const BacklineConf& conf, const std::vector<TodoList::Named>& items, TodoList& todo,
                       const Selection& selection, Timestamp now) {
  bool added = false;
  for (const auto& [name, rules] : conf.clients) {
    if (rules.agent || !selected(selection, name)) continue;
    std::vector<proto::Request> requests;
    for (const std::string& path : rules.paths) {
      proto::Request request = periodic_request(rules, path, now);
      if (is_pending(items, name, request)) continue;
      if (selection.at_once) request.id = SystemRandom().new_id();
      requests.push_back(std::move(request));
    }
    if (requests.empty()) continue;
    for (const Added what : todo.add_all(name, requests, std::string(kAskedByServer), now))
      added = added || what == Added::New;
  }
  return added;
}

}  // namespace bk::server
