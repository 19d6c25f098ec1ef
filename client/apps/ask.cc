#include "client/apps/ask.h"

#include "client/apps/send.h"
#include "client/apps/wait_show.h"
#include "common/error/error.h"
#include "common/text/escape.h"
#include "common/text/number.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <set>
#include <thread>

namespace bk::client {
namespace {

using std::chrono::steady_clock;

void print(std::FILE* to, const std::string& text) { std::fputs((text + "\n").c_str(), to); }

}  // namespace

Asked ask(const ClientConfig& config, const ServerConfig& server, const Expanded& expanded,
          const Clock& clock, Random& random, bool dry_run) {
  Asked out;
  out.status = expanded.status;
  for (const std::string& text : expanded.problems) print(stderr, text);
  if (dry_run) {
    for (const Queue::Wanted& one : expanded.wanted)
      print(stdout, fmt::format("would queue {} {} for {}", one.module, quoted(one.name), server.name));
    return out;
  }
  if (expanded.wanted.empty()) return out;
  Queue queue(config.home, server.name, server.client, clock, random);
  const std::vector<Queue::Added> added = queue.add(expanded.wanted);
  std::set<std::string> seen;
  for (std::size_t i = 0; i < added.size(); ++i) {
    const Queue::Wanted& one = expanded.wanted[i];
    print(stdout, fmt::format("{} {} {} for {}", added[i].merged ? "already queued:" : "queued", one.module,
                              quoted(one.name), server.name));
    if (seen.insert(added[i].id).second) out.ids.push_back(added[i].id);
  }
  return out;
}

int wait_for(const ClientConfig& config, const ServerConfig& server, const std::vector<std::string>& ids,
             std::optional<std::chrono::seconds> limit, const Clock& clock, Random& random, const Log& log) {
  const auto end = steady_clock::now() + limit.value_or(std::chrono::hours(24 * 3650));
  const Queue queue(config.home, server.name, server.client, clock, random);
  WaitShow show(queue, config.home, ids);
  std::string last_complaint;
  const SendContext context{config,
                            clock,
                            random,
                            log,
                            [&](const std::string& text) { show.print(stdout, text); },
                            [&](const std::string& text) {
                              if (text != last_complaint) show.print(stderr, text);
                              last_complaint = text;
                            }};
  std::chrono::milliseconds nap(500);
  for (;;) {
    // Its status is about everything in the queue; what is asked for here is read from the queue.
    (void)send_to(context, server, false);
    int worst = kExitDone;
    std::size_t open = 0;
    for (const std::string& id : ids) {
      const std::optional<Queue::Entry> entry = queue.find(id);
      if (!entry)
        throw Error(Kind::NotFound, "request " + id + " has vanished from " + quoted(queue.directory()));
      if (entry->item.outcome) {
        worst = std::max(worst, entry->item.outcome->status);
      } else {
        ++open;
      }
    }
    if (open == 0) return worst;
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - steady_clock::now());
    if (left.count() <= 0) {
      show.print(stderr,
                 fmt::format("{} of {} requests have no outcome yet; they stay queued", open, ids.size()));
      return std::max(worst, kExitTryLater);
    }
    std::this_thread::sleep_for(std::min(nap, left));
    nap = std::min(nap * 2, std::chrono::milliseconds(5000));
  }
}

std::vector<const char*> join_wait(int argc, char** argv, std::vector<std::string>& storage) {
  for (int i = 0; i < argc; ++i) {
    const std::string_view word = argv[i];
    if (!storage.empty() && storage.back() == "--wait" && parse_int<int>(word, 0)) {
      storage.back() += "=" + std::string(word);
    } else {
      storage.emplace_back(word);
    }
  }
  std::vector<const char*> out;
  for (const std::string& word : storage) out.push_back(word.c_str());
  return out;
}

std::optional<std::chrono::seconds> wait_limit(const std::string& text) {
  if (text.empty()) return std::nullopt;
  const std::optional<int> seconds = parse_int<int>(text, 0, 100000000);
  if (!seconds) throw Error(Kind::Usage, "--wait=" + quoted(text) + ": expected a number of seconds");
  return std::chrono::seconds(*seconds);
}

}  // namespace bk::client
