#include "client/apps/wait_show.h"

#include "common/error/error.h"
#include "common/text/escape.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <string_view>

namespace bk::client {
namespace {

constexpr std::chrono::milliseconds kEvery{500};

std::string words_for(const Queued& item) {
  switch (item.step) {
    case Step::Waiting:
      if (!item.not_before) return "queued";
      return "its next attempt is not before " + to_text(*item.not_before);
    case Step::Preparing:
      return "its data is being prepared";
    case Step::Prepared:
      return "prepared, not sent yet";
    case Step::Sent:
      return "sent, not acknowledged yet";
    case Step::Taken:
      return "taken by " + item.server;
    case Step::Done:
      break;
  }
  return "done";
}

std::string title(const Queued& item) { return item.request.module + " " + quoted(item.request.name); }

}  // namespace

std::string show_step(const Queued& item, const std::optional<agent::PullStatus>& pull) {
  std::string out = words_for(item);
  if (pull) out += "; being pulled: " + show_pull_status(*pull);
  return out;
}

std::string show_all(const std::vector<Shown>& all) {
  const auto done =
      std::count_if(all.begin(), all.end(), [](const Shown& one) { return one.item->outcome.has_value(); });
  const Shown* best = nullptr;
  for (const Shown& one : all) {
    if (one.item->outcome) continue;
    const auto rank = [](const Shown& s) { return std::pair(s.pull.has_value(), s.item->step); };
    if (best == nullptr || rank(one) > rank(*best)) best = &one;
  }
  const std::string count = all.size() > 1 ? fmt::format("{} of {} done", done, all.size()) : "";
  if (best == nullptr) return count;
  return (count.empty() ? "" : count + "; ") + title(*best->item) + ": " + show_step(*best->item, best->pull);
}

std::optional<agent::PullStatus> pull_of(const std::string& home, const Queued& item) {
  if (item.step != Step::Sent && item.step != Step::Taken) return std::nullopt;
  return agent::read_pull_status(agent::pull_status_file(home, item.server, item.request.place));
}

WaitShow::WaitShow(const Queue& queue, std::string home, std::vector<std::string> ids)
    : queue_(queue), home_(std::move(home)), ids_(std::move(ids)), screen_(STDOUT_FILENO), thread_([this] {
        run();
      }) {}

WaitShow::~WaitShow() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void WaitShow::print(std::FILE* to, const std::string& text) {
  const std::lock_guard lock(mutex_);
  std::fputs((line_wiper(STDOUT_FILENO) + text + "\n").c_str(), to);
  std::fflush(to);
}

void WaitShow::run() {
  std::unique_lock lock(mutex_);
  while (!ending_) {
    lock.unlock();
    try {
      look();
    } catch (const Error&) {
      // Whoever waits meets the same error and says it.
    }
    lock.lock();
    changed_.wait_for(lock, kEvery, [this] { return ending_; });
  }
}

void WaitShow::look() {
  const Queue::Listing listing = queue_.list();
  std::vector<Shown> all;
  for (const Queue::Entry& entry : listing.entries) {
    const bool waited_for =
        std::any_of(ids_.begin(), ids_.end(), [&](const std::string& id) { return entry.item.answers(id); });
    if (waited_for) all.push_back({&entry.item, pull_of(home_, entry.item)});
  }
  const std::lock_guard lock(mutex_);
  if (ending_ || all.empty()) return;
  if (screen_.on()) return screen_.show({show_all(all)});
  for (const Shown& one : all) {
    std::string text = words_for(*one.item) + (one.pull ? "; being pulled" : "");
    std::string& told = told_[one.item->request.id];
    if (one.item->outcome || told == text) continue;
    std::fputs((title(*one.item) + ": " + text + "\n").c_str(), stdout);
    std::fflush(stdout);
    told = std::move(text);
  }
}

}  // namespace bk::client
