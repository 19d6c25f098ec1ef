#include "client/modules/ready.h"

#include "client/modules/repositories.h"
#include "client/queue/queue.h"
#include "common/digest/sha256.h"
#include "common/error/error.h"
#include "common/io/file.h"
#include "common/path/names.h"
#include "common/text/escape.h"
#include "common/text/number.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstdlib>
#include <ctime>

namespace bk::client {
namespace {

[[noreturn]] void refuse(const std::string& why) { throw Error(Kind::Usage, why); }

// What a cmd said may be anything, of any length; what is wrong with it stands behind it.
std::string shown(std::string_view text) {
  constexpr std::size_t kMost = 100;
  return quoted(text.substr(0, kMost)) + (text.size() > kMost ? " ..." : "");
}

std::string_view take_word(std::string_view& text) {
  const std::size_t begin = std::min(text.find_first_not_of(' '), text.size());
  const std::size_t end = std::min(text.find(' ', begin), text.size());
  const std::string_view word = text.substr(begin, end - begin);
  text.remove_prefix(end);
  return word;
}

// "26-07-14_03_15_00", as `date +%y-%m-%d_%H_%M_%S` prints it.
std::optional<Timestamp> parse_stamp(std::string_view text) {
  if (const std::optional<Timestamp> time = parse_timestamp(text)) return time;
  if (text.size() != 17 || text[2] != '-' || text[5] != '-' || text[8] != '_' || text[11] != '_' ||
      text[14] != '_')
    return std::nullopt;
  int parts[6] = {};
  for (std::size_t i = 0; i < 6; ++i) {
    const char tens = text[3 * i];
    const char ones = text[3 * i + 1];
    if (tens < '0' || tens > '9' || ones < '0' || ones > '9') return std::nullopt;
    parts[i] = (tens - '0') * 10 + (ones - '0');
  }
  if (!from_utc({2000 + parts[0], parts[1], parts[2], parts[3], parts[4], parts[5]})) return std::nullopt;
  std::tm local{};
  local.tm_year = 100 + parts[0];
  local.tm_mon = parts[1] - 1;
  local.tm_mday = parts[2];
  local.tm_hour = parts[3];
  local.tm_min = parts[4];
  local.tm_sec = parts[5];
  local.tm_isdst = -1;
  return Timestamp{std::mktime(&local), 0};
}

// The path of a place; the host before it, if any, must be ours.
std::string path_of(std::string_view place, std::string_view host) {
  std::string_view path = place;
  std::string_view named;
  if (place.starts_with("ssh://")) {
    place.remove_prefix(6);
    const std::size_t slash = std::min(place.find('/'), place.size());
    named = place.substr(0, slash);
    path = place.substr(slash);
    named = named.substr(0, named.rfind(':'));
  } else if (!place.starts_with('/')) {
    const std::size_t colon = place.find(':');
    if (colon == std::string_view::npos) refuse(shown(place) + " is not an absolute path");
    named = place.substr(0, colon);
    path = place.substr(colon + 1);
  }
  if (const std::size_t at = named.rfind('@'); at != std::string_view::npos) named.remove_prefix(at + 1);
  if (!named.empty() && named != host)
    refuse("place " + shown(place) + " is on host " + quoted(named) + "; this one is " + quoted(host) +
           " (the server decides where it connects to)");
  if (!is_clean_absolute(path))
    refuse("place " + shown(path) + " is not an absolute path without \"..\", \".\" and empty parts");
  return std::string(path);
}

void fill_archive(Ready& ready, const std::string& known_sha256) {
  const Fd file = open_file(ready.place, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
  struct stat info {};
  check_sys(::fstat(file.get(), &info), [&] { return "looking at " + quoted(ready.place); });
  if (!S_ISREG(info.st_mode))
    refuse(quoted(ready.place) + " is not a file; method sftp takes one prepared file");
  if (info.st_size == 0) refuse(quoted(ready.place) + " is empty: nothing was prepared");
  ready.archive_bytes = static_cast<std::uint64_t>(info.st_size);
  ready.archive_sha256 = known_sha256;
  if (!known_sha256.empty()) return;
  Sha256 hash;
  std::string buffer(1U << 20U, '\0');
  for (std::uint64_t done = 0;;) {
    const std::size_t got = pread_up_to(file.get(), buffer.data(), buffer.size(), done);
    hash.update(std::string_view(buffer).substr(0, got));
    done += got;
    if (got == buffer.size()) continue;
    if (done != *ready.archive_bytes)
      refuse(quoted(ready.place) + " changes while it is read: it is not ready");
    break;
  }
  ready.archive_sha256 = hash.finish().hex();
}

void fill_skipped(Ready& ready, const ReadyOptions& options) {
  ready.skipped_count = std::max<std::uint64_t>(options.skipped.size(), options.skipped_count);
  for (const std::string& entry : options.skipped) {
    if (!entry.empty() && entry.size() <= proto::kMaxRequestSkippedBytes &&
        ready.skipped.size() < proto::kMaxRequestSkipped)
      ready.skipped.push_back(entry);
  }
}

}  // namespace

std::string run_variable(const char* name) {
  const char* value = std::getenv(name);
  if (value == nullptr || *value == '\0')
    refuse(std::string("$") + name +
           " is not set: cmds, and add_queue in them, are started by send_request; to ask for a backup use "
           "commit_backup_request");
  return value;
}

ReadyText parse_ready_text(std::string_view text, std::string_view host) {
  ReadyText out;
  std::string_view rest = text;
  out.method = take_word(rest);
  if (!is_safe_name(out.method))
    refuse(shown(text) +
           ": expected \"<method> [<timestamp>] <place>\", the method a name such as git, sftp, rsync");
  std::string_view behind = rest;
  const std::string_view word = take_word(behind);
  out.prepared = parse_stamp(word);
  if (out.prepared) rest = behind;
  const std::size_t begin = rest.find_first_not_of(' ');
  if (begin == std::string_view::npos) refuse(quoted(text) + ": the place is missing");
  out.place = path_of(rest.substr(begin), host);
  return out;
}

Run current_run() {
  Run run;
  run.home = clean_absolute(run_variable("BACKLINE_HOME"));
  run.server = run_variable("BACKLINE_SERVER");
  run.token = run_variable("BACKLINE_TOKEN");
  run.module = run_variable("BACKLINE_MODULE");
  require_safe_name("server", run.server);
  require_safe_name("module", run.module);
  if (!proto::is_request_id(run.token)) refuse("$BACKLINE_TOKEN is not one that send_request gave");
  const std::optional<std::string> name = base64url_decode(run_variable("BACKLINE_NAME"));
  if (!name || !is_clean_absolute(*name)) refuse("$BACKLINE_NAME is not base64url of an absolute path");
  run.name = *name;
  return run;
}

void report_ready(const Run& run, const ReadyText& text, const ReadyOptions& options, const Clock& clock) {
  Ready ready;
  ready.method = text.method;
  ready.place = text.place;
  ready.prepared = text.prepared.value_or(clock.now());
  if (text.method == "sftp") {
    fill_archive(ready, options.sha256);
  } else if (text.method == "git") {
    if (git_directory(ready.place) != ready.place && !is_linked_work_tree(ready.place))
      refuse(quoted(ready.place) + " is not a git repository's folder");
  } else if (!path_exists(ready.place)) {
    throw Error(Kind::NotFound, quoted(ready.place) + " does not exist");
  }
  fill_skipped(ready, options);
  leave_ready(run.home, run.server, run.token, ready);
}

}  // namespace bk::client
