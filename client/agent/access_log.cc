#include "client/agent/access_log.h"

#include "common/error/error.h"
#include "common/io/file.h"
#include "common/text/escape.h"
#include "common/text/number.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstdio>
#include <fstream>
#include <iterator>

namespace bk::agent {
namespace {

constexpr std::size_t kMostAsked = 200;  // bytes of a refused command

std::string address_of(const char* connection) {
  const std::string_view text = connection != nullptr ? connection : "";
  const std::string_view first = text.substr(0, text.find(' '));
  const bool plain =
      first.size() <= 64 && std::all_of(first.begin(), first.end(), [](char c) {
        return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '.' || c == ':' || c == '%';
      });
  return first.empty() || !plain ? "-" : std::string(first);
}

// `who` stands fourth: time, pid, what happened, who.
bool is_of(std::string_view line, std::string_view who) {
  for (int word = 0; word < 3 && !line.empty(); ++word)
    line.remove_prefix(std::min(line.find(' '), line.size() - 1) + 1);
  return line.starts_with(who);
}

}  // namespace

AccessLog::AccessLog(const std::string& home, std::string server, const char* from, const Clock& clock)
    : log_(home, "access", clock), who_(fmt::format("server={} from={}", server, address_of(from))) {}

void AccessLog::line(std::string_view what, std::string_view rest) const {
  log_.line(fmt::format("{} {} {}", what, who_, rest));
}

void AccessLog::begins(std::string_view method, std::string_view place) {
  ends("cut");
  begun_ = fmt::format("method={} place={}", method, quoted(place));
  files_.reset();
  bytes_ = 0;
  line("begins", *begun_);
}

void AccessLog::amount(std::optional<std::uint64_t> files, std::uint64_t bytes) {
  files_ = files;
  bytes_ = bytes;
}

void AccessLog::ends(std::string_view outcome) {
  if (!begun_) return;
  const std::string files = files_ ? fmt::format(" files={}", *files_) : "";
  line("ends", fmt::format("{}{} bytes={} outcome={}", *begun_, files, bytes_, outcome));
  begun_.reset();
}

void AccessLog::refused(std::string_view asked, std::string_view why) {
  if (begun_) return ends(quoted(why));
  line("refused", fmt::format("asked={} outcome={}", quoted(asked.substr(0, kMostAsked)), quoted(why)));
}

bool is_sftp_log(std::string_view line) {
  for (const std::string_view head :
       {"session opened ", "session closed ", "received client version ", "open \"", "close \"",
        "forced close \"", "sent status ", "lstat ", "stat "}) {
    if (line.starts_with(head)) return true;
  }
  return false;
}

std::optional<SftpEvent> parse_sftp_event(std::string_view line) {
  SftpEvent out;
  constexpr std::string_view kStatus = "sent status ";
  if (line.starts_with(kStatus))
    return SftpEvent{SftpEvent::What::Refusal, std::string(line.substr(kStatus.size())), 0};
  if (line.starts_with("forced ")) line.remove_prefix(7);
  if (line.starts_with("open \"")) {
    const std::size_t end = line.rfind("\" flags ");
    if (end == std::string_view::npos || end < 6) return std::nullopt;
    out.place = line.substr(6, end - 6);
    return out;
  }
  if (!line.starts_with("close \"")) return std::nullopt;
  constexpr std::string_view kRead = "\" bytes read ";
  const std::size_t end = line.rfind(kRead);
  if (end == std::string_view::npos || end < 7) return std::nullopt;
  out.what = SftpEvent::What::Close;
  out.place = line.substr(7, end - 7);
  const std::string_view number = line.substr(end + kRead.size());
  out.bytes = parse_int<std::uint64_t>(number.substr(0, number.find(' ')), 0, UINT64_MAX).value_or(0);
  return out;
}

void show_access_log(const std::string& home, std::string_view server) {
  const std::string folder = join_path(home, "log");
  std::vector<std::string> names = is_directory(folder) ? list_directory(folder) : std::vector<std::string>();
  std::sort(names.begin(), names.end());
  const std::string wanted = server.empty() ? "" : fmt::format("server={} ", server);
  for (const std::string& name : names) {
    if (!name.starts_with("access-") || !name.ends_with(".log")) continue;
    const std::string path = join_path(folder, name);
    std::ifstream lines(path);
    if (!lines) throw sys_error(errno, "reading " + quoted(path));
    for (std::string line; std::getline(lines, line);) {
      if (is_of(line, wanted)) std::fputs((line + "\n").c_str(), stdout);
    }
  }
}

}  // namespace bk::agent
