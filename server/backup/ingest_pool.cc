#include "server/backup/ingest_pool.h"

#include "common/error/error.h"
#include "common/io/file.h"
#include "common/path/names.h"
#include "server/access/home.h"
#include "server/backup/not_taken.h"
#include "server/ingest/news.h"

#include <algorithm>
#include <optional>
#include <set>

namespace bk::server {

void IngestPool::add(const std::vector<std::string>& clients) {
  std::set<std::string> known(waiting_.begin(), waiting_.end());
  for (const Working& one : working_) known.insert(one.client);
  for (const std::string& client : clients)
    if (known.insert(client).second) waiting_.push_back(client);
}

bool IngestPool::has_room(Clock::time_point now) const {
  const auto fresh = std::count_if(working_.begin(), working_.end(),
                                   [&](const Working& one) { return now - one.began < limits_.moment; });
  return working_.size() < limits_.most && static_cast<std::size_t>(fresh) < limits_.at_once;
}

std::vector<IngestPool::Ended> IngestPool::look() {
  std::vector<Ended> out;
  const auto now = Clock::now();
  for (auto one = working_.begin(); one != working_.end();) {
    const std::optional<int> status = one->child.wait_for(std::chrono::milliseconds(0));
    const bool late = !status && now - one->began > limits_.longest;
    if (!status && !late) {
      ++one;
      continue;
    }
    out.push_back({one->client, status.value_or(0), late});
    one = working_.erase(one);  // ends a late one
  }
  while (!waiting_.empty() && has_room(now)) {
    const std::string client = std::move(waiting_.front());
    waiting_.pop_front();
    try {
      working_.push_back({client, begin_(client), now});
    } catch (const Error&) {
      if (out.empty()) throw;
      waiting_.push_front(client);  // those who ended are told first
      break;
    }
  }
  return out;
}

void IngestPool::stop() {
  waiting_.clear();
  working_.clear();
}

std::vector<std::string> clients_with_news(const std::string& home, const std::vector<std::string>& set_aside,
                                           const std::string& only) {
  std::set<std::string> news(set_aside.begin(), set_aside.end());
  const std::string folder = repositories_folder(home);
  for (const std::string& name : is_directory(folder) ? list_directory(folder) : std::vector<std::string>{}) {
    if (!name.ends_with(".git")) continue;
    const std::string client = name.substr(0, name.size() - 4);
    if (client != kAdminName && is_safe_name(client) && has_news(folder + "/" + name)) news.insert(client);
  }
  std::vector<std::string> last;
  for (const NotTaken& mark : list_not_taken(home)) {
    news.erase(mark.client);
    last.push_back(mark.client);
  }
  std::vector<std::string> out(news.begin(), news.end());
  out.insert(out.end(), last.begin(), last.end());
  if (!only.empty()) std::erase_if(out, [&](const std::string& client) { return client != only; });
  return out;
}

}  // namespace bk::server
