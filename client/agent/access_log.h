// Who read what on this client: <home>/log/access-YYYY-MM.log, for its owner (docs/man/backup_agent.1,
// FILES).
//
//   <UTC time> <pid> begins server=main from=192.0.2.7 method=rsync place="/srv/www"
//   <UTC time> <pid> ends server=main from=192.0.2.7 method=rsync place="/srv/www" files=12 bytes=34567
//   outcome=served
//
// One line each; no "ends" after a "begins" of the same pid: the agent was killed.  A log that cannot be
// written does not stop a pull.  One thread at a time.
#pragma once

#include "common/log/log.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace bk::agent {

class AccessLog {
 public:
  // `from` is $SSH_CONNECTION or null: its first word, the server's address, is logged.
  AccessLog(const std::string& home, std::string server, const char* from, const Clock& clock);

  // What was begun before and did not end has ended now, "cut".
  void begins(std::string_view method, std::string_view place);
  // So far, of what was begun.  `files`: nothing where it means nothing.
  void amount(std::optional<std::uint64_t> files, std::uint64_t bytes);
  // Nothing when nothing was begun.
  void ends(std::string_view outcome);
  // Asked for and not served; also ends what was begun.
  void refused(std::string_view asked, std::string_view why);

 private:
  void line(std::string_view what, std::string_view rest) const;
  Log log_;
  std::string who_;
  std::optional<std::string> begun_;
  std::optional<std::uint64_t> files_;
  std::uint64_t bytes_ = 0;
};

// What `sftp-server -e -l INFO` says on standard error, as far as it tells of files; other lines are not for
// us.  Names come as the program escapes them.
struct SftpEvent {
  enum class What { Open, Close, Refusal } what = What::Open;
  std::string place;        // Refusal: what the server was told
  std::uint64_t bytes = 0;  // Close: read
};
[[nodiscard]] std::optional<SftpEvent> parse_sftp_event(std::string_view line);
// True for every line of that log, so that what is none of it (a library that is missing) can be told.
[[nodiscard]] bool is_sftp_log(std::string_view line);

// Prints the lines of all months, oldest first, of one server or ("") of all.  Throws Io.
void show_access_log(const std::string& home, std::string_view server);

}  // namespace bk::agent
