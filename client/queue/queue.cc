#include "client/queue/queue.h"

#include "common/error/error.h"
#include "common/io/batch.h"
#include "common/io/crash.h"
#include "common/io/file.h"
#include "common/text/document.h"
#include "common/text/escape.h"

#include <unistd.h>

#include <algorithm>
#include <map>

namespace bk::client {
namespace {

constexpr std::uint64_t kMaxQueuedBytes = 4U << 20U;
constexpr std::string_view kReady = ".ready-";

std::string queue_directory(const std::string& home, const std::string& server) {
  return join_path(join_path(home, "requests"), server);
}

Queued read_item(const std::string& text, const std::string& stem) {
  Queued item = parse_queued(text);
  if (item.stem() != stem) throw Error(Kind::Protocol, "the name inside does not belong to the file's name");
  return item;
}

}  // namespace

Queue::Queue(const std::string& home, std::string server, std::string client, const Clock& clock,
             Random& random)
    : directory_(queue_directory(home, server)),
      server_(std::move(server)),
      client_(std::move(client)),
      clock_(clock),
      random_(random) {
  ensure_directory(directory_);
}

std::string Queue::path(char state, const std::string& stem) const { return directory_ + "/" + state + stem; }

FileLock Queue::moment() const { return FileLock::exclusive(directory_ + "/.queue"); }

std::optional<FileLock> Queue::try_lock() const { return FileLock::try_exclusive(directory_ + "/.lock"); }

Queued Queue::make(const Wanted& wanted) {
  Queued item;
  item.request.id = random_.new_id();
  item.request.client = client_;
  item.request.module = wanted.module;
  item.request.name = wanted.name;
  item.request.requested = clock_.now();
  item.server = server_;
  return item;
}

std::vector<Queue::Added> Queue::add(const std::vector<Wanted>& wanted) {
  const FileLock lock = moment();
  std::vector<Added> out;
  DurableBatch batch(directory_);
  std::map<std::string, std::string> seen;  // stem -> id, for equal requests in this very call
  for (const Wanted& one : wanted) {
    const Queued item = make(one);
    const std::string stem = item.stem();
    if (const auto at = seen.find(stem); at != seen.end()) {
      out.push_back({at->second, true});
      continue;
    }
    std::optional<std::string> id;
    if (const std::optional<std::string> text = try_read_file(path('C', stem), kMaxQueuedBytes)) {
      try {
        id = read_item(*text, stem).request.id;
      } catch (Error& error) {
        error.add_context(quoted(path('C', stem)));
        throw Error(Kind::Corrupt, error.what());
      }
    }
    seen.emplace(stem, id.value_or(item.request.id));
    out.push_back({seen.at(stem), id.has_value()});
    if (id) continue;
    // Whatever stands under the i name is a dead process's: we hold the lock that its maker held (B004-13).
    batch.add("i" + stem, write_queued(item), path('C', stem), false);
  }
  batch.sync();
  crash_point("queue.written");
  batch.publish("queue.committed");
  return out;
}

std::optional<Queue::Listing> Queue::try_list(std::string_view states) const {
  Listing out;
  for (const std::string& name : list_directory(directory_)) {
    const std::optional<proto::StateName> state = proto::parse_state_name(name);
    if (!state || states.find(state->state) == std::string_view::npos) continue;
    try {
      const std::optional<std::string> text = try_read_file(join_path(directory_, name), kMaxQueuedBytes);
      if (!text) return std::nullopt;  // moved on: look again
      out.entries.push_back({state->state.front(), read_item(*text, state->stem)});
    } catch (const Error& error) {
      if (error.kind() != Kind::Protocol) throw;
      out.damaged.push_back(quoted(join_path(directory_, name)) + ": " + error.what());
    }
  }
  return out;
}

Queue::Listing Queue::list(std::string_view states) const {
  // Without a lock first: listing must not wait for anybody.
  for (int attempt = 0; attempt < 3; ++attempt) {
    if (std::optional<Listing> out = try_list(states)) return *std::move(out);
  }
  const FileLock lock = moment();
  for (;;) {
    if (std::optional<Listing> out = try_list(states)) return *std::move(out);
  }
}

std::optional<Queue::Entry> Queue::find(std::string_view id) const {
  Listing all = list();
  for (Entry& entry : all.entries) {
    if (entry.item.answers(id)) return std::move(entry);
  }
  return std::nullopt;
}

Queue::Cancelled Queue::cancel(std::string_view module, std::string_view name) {
  const std::string stem = proto::request_stem(module, name);
  const FileLock lock = moment();
  const std::optional<std::string> text = try_read_file(path('C', stem), kMaxQueuedBytes);
  if (!text) return path_exists(path('P', stem)) ? Cancelled::NotWaiting : Cancelled::Unknown;
  Queued item = read_item(*text, stem);
  proto::Receipt receipt;
  receipt.id = item.request.id;
  receipt.outcome = proto::Outcome::Failed;
  receipt.time = clock_.now();
  receipt.reason = "cancelled by the user";
  receipt.status = exit_status(Kind::Refused);
  item.step = Step::Done;
  item.outcome = receipt;
  item.not_before.reset();
  // Done inside a C file is how recover() knows a cancellation that was cut short.
  replace_durably(path('C', stem), write_queued(item));
  crash_point("queue.cancelling");
  (void)rename_noreplace_durably(path('C', stem), path('F', stem) + "." + item.request.id);
  crash_point("queue.cancelled");
  return Cancelled::Done;
}

std::optional<Queued> Queue::begin(const Queued& waiting) {
  const std::string stem = waiting.stem();
  const FileLock lock = moment();
  if (path_exists(path('P', stem))) return std::nullopt;
  const std::optional<std::string> text = try_read_file(path('C', stem), kMaxQueuedBytes);
  if (!text) return std::nullopt;
  Queued item = read_item(*text, stem);
  item.step = Step::Preparing;
  item.token = random_.new_id();
  if (!rename_noreplace_durably(path('C', stem), path('P', stem))) return std::nullopt;
  crash_point("queue.begun");
  save(item);
  crash_point("queue.preparing");
  return item;
}

void Queue::save_all(const std::vector<Queued>& items) {
  DurableBatch batch(directory_);
  for (const Queued& item : items)
    batch.add("P" + item.stem() + ".tmp", write_queued(item), path('P', item.stem()), true);
  batch.sync();
  batch.publish("queue.saved");
}

void Queue::give_back(const Queued& item) {
  Queued back = item;
  back.step = Step::Waiting;
  back.token.clear();
  const std::string stem = back.stem();
  const FileLock lock = moment();
  save(back);  // from here on recover() knows what to do with the P
  crash_point("queue.failed");
  if (rename_noreplace_durably(path('P', stem), path('C', stem))) {
    crash_point("queue.given-back");
    return;
  }
  const Queued newer = read_item(read_file(path('C', stem), kMaxQueuedBytes), stem);
  if (!back.answers(newer.request.id)) {
    back.joined.push_back(newer.request.id);
    for (const std::string& id : newer.joined) back.joined.push_back(id);
    replace_durably(path('C', stem), write_queued(back));
    crash_point("queue.joined");
  }
  remove_durably(path('P', stem));
  crash_point("queue.given-back");
}

void Queue::finish(const Queued& item) {
  BK_CHECK(item.step == Step::Done && item.outcome);
  save(item);
  crash_point("queue.outcome");
  const std::string to = path('F', item.stem()) + "." + item.request.id;
  // An F of this id is the same request, finished by an older home that was put back: its outcome is kept.
  if (!rename_noreplace_durably(path('P', item.stem()), to)) remove_durably(path('P', item.stem()));
  crash_point("queue.finished");
}

std::optional<Ready> Queue::find_ready(const std::string& token) const {
  const std::string file = join_path(directory_, std::string(kReady) + token);
  const std::optional<std::string> text = try_read_file(file, kMaxQueuedBytes);
  if (!text) return std::nullopt;
  return parse_ready(*text);
}

void Queue::drop_ready(const std::string& token) const noexcept {
  (void)::unlink(join_path(directory_, std::string(kReady) + token).c_str());
}

std::uint64_t Queue::take_counters(std::uint64_t mark, std::uint64_t count) {
  const std::string file = directory_ + "/.counter";
  std::uint64_t last = mark;
  if (const std::optional<std::string> text = try_read_file(file, 4096)) {
    try {
      last = std::max(last, Document::parse(*text, "bk-counter").get_number("counter"));
    } catch (const Error& error) {
      if (error.kind() != Kind::Protocol) throw;
      // The server's mark and the numbers in use say as much.
    }
  }
  for (const Entry& entry : list("PF").entries) last = std::max(last, entry.item.request.counter);
  Document doc("bk-counter", 1);
  doc.add("counter", last + count);
  replace_durably(file, doc.write());
  crash_point("queue.counter");
  return last + 1;
}

void leave_ready(const std::string& home, const std::string& server, const std::string& token,
                 const Ready& ready) {
  replace_durably(join_path(queue_directory(home, server), std::string(kReady) + token), write_ready(ready));
  crash_point("prepare.ready");
}

}  // namespace bk::client
