// What send_request does before anything else: see Queue::recover.
#include "client/queue/queue.h"
#include "client/request/spool_place.h"
#include "common/error/error.h"
#include "common/io/crash.h"
#include "common/io/file.h"
#include "common/text/escape.h"

#include <sys/stat.h>

#include <algorithm>
#include <set>

namespace bk::client {
namespace {

constexpr std::uint64_t kMaxQueuedBytes = 4U << 20U;

// A replacement that was cut short, or a result that nobody will take.  Judged only when it is no state file:
// a module's name may hold ".tmp".
bool is_leftover(const std::string& name) {
  return name.starts_with(".ready-") || name.starts_with(".tmp-") || name.ends_with(".tmp");
}

bool is_archive(const std::string& name) {
  if (name.starts_with(".partial-")) return true;
  return name.size() == 64 && std::all_of(name.begin(), name.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
}

// Places that a request in progress names, in every queue.  Throws Corrupt when a file cannot be read: then
// nobody knows what is still needed.
std::set<std::string> places_in_use(const std::string& home) {
  std::set<std::string> out;
  const std::string all = join_path(home, "requests");
  if (!path_exists(all)) return out;
  for (const std::string& server : list_directory(all)) {
    const std::string directory = join_path(all, server);
    if (!is_directory(directory)) continue;
    for (const std::string& name : list_directory(directory)) {
      if (!name.starts_with('P') || !proto::parse_state_name(name)) continue;
      const std::optional<std::string> text = try_read_file(join_path(directory, name), kMaxQueuedBytes);
      if (!text) continue;  // finished meanwhile
      try {
        out.insert(parse_queued(*text).request.place);
      } catch (const Error& error) {
        throw Error(Kind::Corrupt, quoted(join_path(directory, name)) + ": " + error.what());
      }
    }
  }
  return out;
}

}  // namespace

void Queue::forget_old(const std::string& name, const Queued& item, std::chrono::seconds keep) {
  if (!item.outcome || item.outcome->time.plus(keep) > clock_.now()) return;
  remove_durably(join_path(directory_, name));
}

std::vector<std::string> Queue::recover(std::chrono::seconds keep) {
  std::vector<std::string> damaged;
  std::vector<Queued> cut_short;
  {
    const FileLock lock = moment();
    for (const std::string& name : list_directory(directory_)) {
      const std::string file = join_path(directory_, name);
      const std::optional<proto::StateName> state = proto::parse_state_name(name);
      if (state ? state->state == "i" : is_leftover(name)) {
        remove_durably(file);
        continue;
      }
      if (!state || state->state == "RQ") continue;
      try {
        const Queued item = parse_queued(read_file(file, kMaxQueuedBytes));
        if (item.stem() != state->stem) throw Error(Kind::Protocol, "it holds another request");
        if (state->state == "P" && (item.step == Step::Waiting || item.step == Step::Done))
          cut_short.push_back(item);
        if (state->state == "C" && item.step == Step::Done)
          (void)rename_noreplace_durably(file, path('F', state->stem) + "." + item.request.id);
        if (state->state == "F") forget_old(name, item, keep);
      } catch (const Error& error) {
        if (error.kind() != Kind::Protocol) throw;
        ensure_directory(join_path(directory_, "damaged"));
        rename_durably(file, join_path(join_path(directory_, "damaged"), name));
        damaged.push_back(quoted(file) + ": " + error.what() +
                          "; moved to damaged/, ask for that backup again");
      }
    }
  }
  for (const Queued& item : cut_short) {
    if (item.step == Step::Done) {
      finish(item);
    } else {
      give_back(item);
    }
  }
  return damaged;
}

FileLock hold_archives(const std::string& home) {
  ensure_directory(join_path(home, "tmp"));
  return FileLock::shared(join_path(home, "tmp/.lock"));
}

void clean_archives(const std::string& home) {
  const std::string folder = join_path(home, "tmp");
  if (!path_exists(folder)) return;
  const std::optional<FileLock> alone = FileLock::try_exclusive(join_path(folder, ".lock"));
  if (!alone) return;
  const std::set<std::string> used = places_in_use(home);
  for (const std::string& name : list_directory(folder)) {
    const std::string file = join_path(folder, name);
    if (is_archive(name) && !used.contains(file) && !is_directory(file)) remove_durably(file);
  }
  crash_point("queue.archives");
}

namespace {

void clean_slot(const std::string& slot, const std::set<std::string>& used, std::chrono::seconds keep,
                Timestamp now) {
  if (used.contains(join_path(slot, "data"))) return;
  struct stat info {};
  check_sys(::lstat(slot.c_str(), &info), [&] { return "looking at " + quoted(slot); });
  if (info.st_mtim.tv_sec + keep.count() <= now.seconds) {
    remove_tree(slot);
  } else if (path_exists(join_path(slot, "new"))) {
    remove_tree(join_path(slot, "new"));
  }
}

std::vector<std::string> folders_in(const std::string& folder) {
  std::vector<std::string> out;
  if (!path_exists(folder)) return out;
  for (const std::string& name : list_directory(folder)) {
    if (is_directory(join_path(folder, name))) out.push_back(join_path(folder, name));
  }
  return out;
}

}  // namespace

void clean_spool(const std::string& home, std::chrono::seconds keep, Timestamp now) {
  if (!path_exists(spool_root(home))) return;
  ensure_directory(join_path(home, "tmp"));
  const std::optional<FileLock> alone = FileLock::try_exclusive(join_path(home, "tmp/.lock"));
  if (!alone) return;
  const std::set<std::string> used = places_in_use(home);
  for (const std::string& server : folders_in(spool_root(home))) {
    for (const std::string& module : folders_in(server)) {
      for (const std::string& slot : folders_in(module)) clean_slot(slot, used, keep, now);
    }
  }
}

}  // namespace bk::client
