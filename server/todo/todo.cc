#include "server/todo/todo.h"

#include "common/error/error.h"
#include "common/io/batch.h"
#include "common/io/crash.h"
#include "common/io/file.h"
#include "common/io/lock.h"
#include "common/path/names.h"
#include "common/text/escape.h"
#include "server/todo/done_log.h"

#include <sys/stat.h>

#include <algorithm>
#include <set>
#include <tuple>
#include <unordered_set>

namespace bk::server {
namespace {

constexpr const char* kIncomplete = ".incomplete";
constexpr const char* kAnswered = ".answered";
constexpr std::uint64_t kMaxTodoBytes = 4U << 20U;

bool is_pending(const std::string& file) {
  const std::optional<proto::StateName> name = proto::parse_state_name(file);
  return name && (name->state == "C" || name->state == "P");
}

// Nothing when the file is gone.
std::optional<struct stat> look_at(const std::string& path) {
  struct stat info {};
  if (::lstat(path.c_str(), &info) == 0) return info;
  if (errno == ENOENT) return std::nullopt;
  throw sys_error(errno, "looking at " + quoted(path));
}

Timestamp change_time(const struct stat& info) {
  return {info.st_ctim.tv_sec, static_cast<std::uint32_t>(info.st_ctim.tv_nsec)};
}

// Out of everybody's way, under a name that says what it was; never overwrites what was set aside before.
std::string move_aside(const std::string& folder, const std::string& file) {
  for (int i = 0;; ++i) {
    const std::string aside = "X" + file.substr(0, 240) + (i == 0 ? "" : "." + std::to_string(i));
    if (rename_noreplace_durably(join_path(folder, file), join_path(folder, aside))) return aside;
  }
}

// Set aside, and whoever asked was not told.
bool is_unanswered(const std::string& file) { return file.starts_with('X') && !file.ends_with(kAnswered); }

// Every id that a damaged entry still tells.
std::vector<std::string> readable_ids(std::string_view text) {
  std::vector<std::string> out;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    const std::size_t colon = line.find(": ");
    if (colon == std::string_view::npos ||
        (line.substr(0, colon) != "id" && line.substr(0, colon) != "answers"))
      continue;
    line.remove_prefix(colon + 2);
    if (proto::is_request_id(line) && std::find(out.begin(), out.end(), line) == out.end())
      out.emplace_back(line);
  }
  return out;
}

std::vector<DoneRecord> records_of(const std::vector<std::string>& ids, const Finished& end) {
  std::vector<DoneRecord> out;
  for (const std::string& id : ids)
    out.push_back({id, end.outcome, end.status, end.snapshot, end.time.seconds});
  return out;
}

Finished finished_of(const DoneRecord& record) {
  return {record.outcome, record.status, record.snapshot, "", {record.seconds, 0}};
}

proto::Receipt receipt_of(const std::string& id, const Finished& end) {
  proto::Receipt receipt;
  receipt.id = id;
  receipt.outcome = end.outcome;
  receipt.time = end.time;
  receipt.status = end.status;
  receipt.snapshot = end.snapshot;
  receipt.reason = end.reason;
  if (receipt.reason.empty() && end.outcome != proto::Outcome::Ok)
    receipt.reason = "finished earlier; the details are no longer kept";
  return receipt;
}

// Id -> F file, for the reasons that only the F files keep.
std::map<std::string, std::string> finished_files(const std::string& folder) {
  std::map<std::string, std::string> out;
  for (const std::string& file : list_directory(folder)) {
    const std::optional<proto::StateName> name = proto::parse_state_name(file);
    if (name && name->state == "F" && !name->id.empty()) out[name->id] = file;
  }
  return out;
}

}  // namespace

TodoList::TodoList(std::string directory, std::size_t max_pending)
    : directory_(std::move(directory)), max_pending_(max_pending) {
  ensure_directory(directory_);
}

std::string TodoList::folder(const std::string& client) const {
  if (!is_safe_name(client)) throw Error(Kind::Config, "client " + quoted(client) + " is not a safe name");
  return join_path(directory_, client);
}

std::string TodoList::path(const std::string& client, const std::string& file) const {
  return join_path(folder(client), file);
}

std::vector<std::string> TodoList::clients() const {
  std::vector<std::string> out;
  for (const std::string& name : list_directory(directory_)) {
    if (is_safe_name(name) && is_directory(join_path(directory_, name))) out.push_back(name);
  }
  return out;
}

// The caller holds the client's lock.  What cannot be parsed is set aside only for a caller who tells people
// (`problems`); the others pass it over, so that nothing vanishes without a word.
const TodoList::Files& TodoList::load(const std::string& client, std::vector<std::string>* problems) {
  Files old = std::exchange(seen_[client], {});
  Files& files = seen_[client];
  for (const std::string& file : list_directory(folder(client))) {
    if (!is_pending(file)) continue;
    const std::string where = path(client, file);
    const std::optional<struct stat> info = look_at(where);
    if (!info) continue;
    const auto it = old.find(file);
    if (it != old.end() && it->second.inode == info->st_ino && it->second.changed == change_time(*info)) {
      files.insert(old.extract(it));
      continue;
    }
    try {
      if (!S_ISREG(info->st_mode)) throw Error(Kind::Protocol, "not a regular file");
      TodoItem item = parse_todo(read_file(where, kMaxTodoBytes));
      files[file] = {info->st_ino, change_time(*info), std::move(item)};
    } catch (const Error& error) {
      if (error.kind() != Kind::Protocol) throw;
      if (problems == nullptr) continue;
      const std::string aside = move_aside(folder(client), file);
      has_set_aside_ = true;
      problems->push_back("TODO/" + client + "/" + file + ": " + error.what() + "; set aside as " + aside);
    }
  }
  return files;
}

Added TodoList::add(const std::string& client, const proto::Request& request, const std::string& by,
                    Timestamp now) {
  return add_all(client, {request}, by, now).front();
}

std::vector<Added> TodoList::add_all(const std::string& client, const std::vector<proto::Request>& requests,
                                     const std::string& by, Timestamp now) {
  const std::string home = folder(client);
  const std::string staging = join_path(home, kIncomplete);
  ensure_directory(staging);
  const FileLock lock = FileLock::exclusive(join_path(home, ".lock"));

  const Files& files = load(client, nullptr);
  std::unordered_set<std::string> known;
  for (const auto& [file, seen] : files) known.insert(seen.item.ids.begin(), seen.item.ids.end());
  std::vector<std::string> ids;
  for (const proto::Request& request : requests) ids.push_back(request.id);
  const std::vector<std::optional<DoneRecord>> done = DoneLog(home).find(ids);

  std::map<std::string, TodoItem> changed;  // by stem
  std::vector<Added> answers;
  for (std::size_t i = 0; i < requests.size(); ++i) {
    const proto::Request& request = requests[i];
    if (done[i] || !known.insert(request.id).second) {
      answers.push_back(Added::AlreadyThere);
      continue;
    }
    const std::string stem = proto::request_stem(request.module, request.name);
    const auto queued = files.find("C" + stem);
    auto [it, fresh] = changed.try_emplace(stem);
    if (fresh && queued != files.end()) {
      it->second = queued->second.item;
      fresh = false;
    }
    const bool is_full =
        fresh ? files.size() + changed.size() > max_pending_ : it->second.ids.size() >= kMaxAnswers;
    if (is_full) {
      if (fresh) changed.erase(it);
      answers.push_back(Added::Full);
      continue;
    }
    if (fresh) {
      it->second.request = request;
      it->second.ids = {request.id};
      it->second.by = by;
      it->second.taken = now;
    } else {
      join(it->second, request, by);
    }
    answers.push_back(fresh ? Added::New : Added::Joined);
  }
  if (changed.empty()) return answers;

  DurableBatch batch(staging);
  for (const auto& [stem, item] : changed) {
    batch.add("RQ" + stem, write_todo(item), join_path(home, "C" + stem), files.contains("C" + stem));
  }
  batch.sync();
  crash_point("todo.staged");
  batch.publish("todo.renamed");
  crash_point("todo.added");
  return answers;
}

std::vector<std::optional<proto::Receipt>> TodoList::answers(const std::string& client,
                                                             std::span<const std::string> ids) {
  std::vector<std::optional<proto::Receipt>> out(ids.size());
  const std::string home = folder(client);
  if (!is_directory(home)) return out;
  const FileLock lock = FileLock::exclusive(join_path(home, ".lock"));
  std::map<std::string, Timestamp> queued;
  for (const auto& [file, seen] : load(client, nullptr)) {
    for (const std::string& id : seen.item.ids) queued[id] = seen.item.taken;
  }
  const std::vector<std::optional<DoneRecord>> done = DoneLog(home).find(ids);
  const std::map<std::string, std::string> finished = finished_files(home);
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (done[i]) {
      Finished end = finished_of(*done[i]);
      if (const auto it = finished.find(ids[i]); it != finished.end()) {
        const TodoItem item = parse_todo(read_file(join_path(home, it->second), kMaxTodoBytes));
        if (item.finished) end = *item.finished;
      }
      out[i] = receipt_of(ids[i], end);
    } else if (const auto it = queued.find(ids[i]); it != queued.end()) {
      proto::Receipt taken;
      taken.id = ids[i];
      taken.time = it->second;
      out[i] = taken;
    }
  }
  return out;
}

std::vector<TodoList::Named> TodoList::pending(std::vector<std::string>& problems, const std::string& only) {
  std::vector<Named> out;
  for (const std::string& client : clients()) {
    if (!only.empty() && client != only) continue;
    try {
      const FileLock lock = FileLock::exclusive(path(client, ".lock"));
      for (const auto& [file, seen] : load(client, &problems))
        out.push_back({client, file.substr(1), file.front(), seen.item});
    } catch (const Error& error) {  // one client's folder must not hold up everybody
      problems.push_back("TODO/" + client + ": " + error.what());
    }
  }
  std::stable_sort(out.begin(), out.end(),
                   [](const Named& a, const Named& b) { return a.item.taken < b.item.taken; });
  return out;
}

std::vector<TodoList::Named> TodoList::newest_finished(std::vector<std::string>& problems) const {
  std::vector<Named> out;
  for (const std::string& client : clients()) {
    std::map<std::string, std::pair<Timestamp, std::string>> newest;  // by stem: when it ended, its file
    for (const std::string& file : list_directory(folder(client))) {
      const std::optional<proto::StateName> name = proto::parse_state_name(file);
      if (!name || name->state != "F") continue;
      const std::optional<struct stat> info = look_at(path(client, file));
      if (!info) continue;
      const Timestamp ended{info->st_mtim.tv_sec, static_cast<std::uint32_t>(info->st_mtim.tv_nsec)};
      auto& [time, best] = newest[name->stem];
      if (best.empty() || ended > time) std::tie(time, best) = std::pair(ended, file);
    }
    for (const auto& [stem, found] : newest) {
      try {
        const auto text = try_read_file(path(client, found.second), kMaxTodoBytes);
        if (text) out.push_back({client, stem, 'F', parse_todo(*text)});
      } catch (const Error& error) {
        problems.push_back("TODO/" + client + "/" + found.second + ": " + error.what());
      }
    }
  }
  return out;
}

bool TodoList::claim(const std::string& client, const std::string& stem) {
  const FileLock lock = FileLock::exclusive(path(client, ".lock"));
  try {
    if (!rename_noreplace_durably(path(client, "C" + stem), path(client, "P" + stem))) return false;
  } catch (const Error& error) {
    if (error.sys_errno() == ENOENT) return false;
    throw;
  }
  crash_point("todo.claimed");
  return true;
}

std::optional<TodoItem> TodoList::working(const std::string& client, const std::string& stem) const {
  const std::optional<std::string> text = try_read_file(path(client, "P" + stem), kMaxTodoBytes);
  if (!text) return std::nullopt;
  return parse_todo(*text);
}

// New content under the same name; the caller holds the lock.
void TodoList::write_in_place(const std::string& client, const std::string& file, const TodoItem& item) {
  const std::string staging = path(client, kIncomplete);
  ensure_directory(staging);
  DurableBatch batch(staging);
  batch.add("RQ" + file.substr(1), write_todo(item), path(client, file), true);
  batch.sync();
  batch.publish("todo.rewritten");
}

void TodoList::put_back(const std::string& client, const std::string& stem, const TodoItem& item) {
  const FileLock lock = FileLock::exclusive(path(client, ".lock"));
  const std::string queued = path(client, "C" + stem);
  const std::string working = path(client, "P" + stem);
  if (const std::optional<std::string> text = try_read_file(queued, kMaxTodoBytes)) {
    // Asked again while this was at work: the newer request goes on, for both.
    TodoItem merged = parse_todo(*text);
    join_ids(merged, item);
    write_in_place(client, "C" + stem, merged);
    crash_point("todo.merged_back");
    remove_durably(working);
    return;
  }
  write_in_place(client, "P" + stem, item);
  crash_point("todo.attempt_counted");
  BK_CHECK(rename_noreplace_durably(working, queued));  // the lock keeps everybody else from making a C
  crash_point("todo.put_back");
}

void TodoList::finish(const std::string& client, const std::string& stem, const TodoItem& item,
                      const Finished& finished) {
  const FileLock lock = FileLock::exclusive(path(client, ".lock"));
  DoneLog log(folder(client));
  log.append(records_of(item.ids, finished));
  crash_point("todo.done_logged");
  TodoItem ended = item;
  ended.finished = finished;
  ended.not_before.reset();
  write_in_place(client, "P" + stem, ended);
  crash_point("todo.outcome_written");
  rename_durably(path(client, "P" + stem), path(client, "F" + stem + "." + item.request.id));
  crash_point("todo.finished");
  log.merge_if_long();
}

void TodoList::recover(const std::string& client) {
  const FileLock lock = FileLock::exclusive(path(client, ".lock"));
  const std::string home = folder(client);
  remove_tree(join_path(home, kIncomplete));
  ensure_directory(join_path(home, kIncomplete));
  const DoneLog log(home);
  for (const auto& [file, seen] : load(client, nullptr)) {
    if (file.front() != 'P') continue;
    const std::string stem = file.substr(1);
    const TodoItem& item = seen.item;
    const auto queued = seen_[client].find("C" + stem);
    if (queued != seen_[client].end() && lists_all(queued->second.item, item)) {
      remove_durably(join_path(home, file));  // put_back() had merged it already
      continue;
    }
    const std::vector<std::optional<DoneRecord>> done = log.find(item.ids);
    if (!std::all_of(done.begin(), done.end(), [](const auto& record) { return record.has_value(); }))
      continue;
    // finish() had promised the outcome already: the rest is only the name.
    TodoItem ended = item;
    if (!ended.finished) ended.finished = finished_of(*done.back());
    write_in_place(client, file, ended);
    rename_durably(join_path(home, file), join_path(home, "F" + stem + "." + item.request.id));
    crash_point("todo.recovered");
  }
}

std::vector<std::string> TodoList::with_set_aside() const {
  std::vector<std::string> out;
  for (const std::string& client : clients()) {
    try {
      const std::vector<std::string> files = list_directory(folder(client));
      if (std::any_of(files.begin(), files.end(), is_unanswered)) out.push_back(client);
    } catch (const Error&) {
      continue;  // pending() tells it
    }
  }
  return out;
}

std::vector<TodoList::SetAside> TodoList::set_aside(const std::string& client) {
  if (!is_directory(folder(client))) return {};
  const FileLock lock = FileLock::exclusive(path(client, ".lock"));
  std::vector<SetAside> out;
  std::unordered_set<std::string> known;
  for (const std::string& file : list_directory(folder(client))) {
    if (!is_unanswered(file)) continue;
    const std::optional<struct stat> info = look_at(path(client, file));
    if (!info || !S_ISREG(info->st_mode)) continue;
    if (out.empty()) {
      for (const auto& [name, seen] : load(client, nullptr))
        known.insert(seen.item.ids.begin(), seen.item.ids.end());
    }
    const std::uint64_t bytes = static_cast<std::uint64_t>(info->st_size);
    SetAside entry{file, {}};
    if (bytes <= kMaxTodoBytes) entry.ids = readable_ids(read_file(path(client, file), kMaxTodoBytes));
    const std::vector<std::optional<DoneRecord>> done = DoneLog(folder(client)).find(entry.ids);
    std::vector<std::string> open;
    for (std::size_t i = 0; i < entry.ids.size(); ++i)
      if (!done[i] && !known.contains(entry.ids[i])) open.push_back(entry.ids[i]);
    entry.ids = std::move(open);
    out.push_back(std::move(entry));
  }
  return out;
}

bool TodoList::close_set_aside(const std::string& client, const SetAside& entry, const Finished& end) {
  const FileLock lock = FileLock::exclusive(path(client, ".lock"));
  if (!path_exists(path(client, entry.file))) return false;
  DoneLog log(folder(client));
  log.append(records_of(entry.ids, end));
  for (int i = 0;; ++i) {
    const std::string name = entry.file + (i == 0 ? "" : "-" + std::to_string(i)) + kAnswered;
    if (rename_noreplace_durably(path(client, entry.file), path(client, name))) break;
  }
  log.merge_if_long();
  return true;
}

void TodoList::expire(Timestamp keep_before) {
  for (const std::string& client : clients()) {
    const FileLock lock = FileLock::exclusive(path(client, ".lock"));
    for (const std::string& file : list_directory(folder(client))) {
      const std::optional<proto::StateName> name = proto::parse_state_name(file);
      if (!name || name->state != "F") continue;
      const std::optional<struct stat> info = look_at(path(client, file));
      // Written when it finished, by this machine's clock.
      if (info && Timestamp{info->st_mtim.tv_sec, 0} < keep_before) remove_durably(path(client, file));
    }
  }
}

}  // namespace bk::server
