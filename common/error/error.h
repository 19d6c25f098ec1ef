// One exception type for everything that ends a job, with a kind that a boundary can act on.
//
// A thrown Error means "I cannot do what I was asked".  An expected answer (absent, busy, half a
// message, one unreadable file) is a return value instead.  Exceptions stop at: main, the top of a
// thread, the per-job loop, the per-message dispatcher, C callbacks, destructors.
//
// Messages say what was being done, to what, and what happened; names in them are quoted and escaped
// (text/escape.h), because peers choose them.
#pragma once

#include <cerrno>
#include <stdexcept>
#include <string>
#include <string_view>

namespace bk {

enum class Kind {
  Usage,      // the command line is wrong
  Config,     // a configuration file is wrong
  Transient,  // network, lock, busy peer: the same call may work later
  Refused,    // policy, authentication, consent, quota
  Protocol,   // the peer broke the specification
  Corrupt,    // stored bytes differ from what was recorded; never retried
  NotFound,   // nothing matches what the user asked for
  Io,         // the local operating system refused
  Cancelled,  // we were asked to stop
};

class Error : public std::runtime_error {
 public:
  Error(Kind kind, const std::string& what);
  [[nodiscard]] Kind kind() const noexcept { return kind_; }
  // errno of the failed call, or 0.  ENOSPC and EDQUOT decide "waiting for space".
  [[nodiscard]] int sys_errno() const noexcept { return errno_; }
  [[nodiscard]] const char* what() const noexcept override { return text_.c_str(); }
  // Puts "doing: " in front of the message; used while the error travels up.
  void add_context(std::string_view doing);

 private:
  friend Error sys_error(int code, std::string_view doing);
  Kind kind_;
  int errno_ = 0;
  std::string text_;
};

// An Error of Kind::Io with the system's words for `code` behind `doing`.
[[nodiscard]] Error sys_error(int code, std::string_view doing);

// The system's words for an errno; for places that do not throw.
[[nodiscard]] std::string system_words(int code);

// Passes the result of a system call through, or throws Kind::Io.
//
// `describe` is called after errno was saved: building the text first could overwrite errno.
template <class Result, class Describe>
Result check_sys(Result result, Describe&& describe) {
  if (result < 0) {
    const int code = errno;
    throw sys_error(code, describe());
  }
  return result;
}

// The process exit status that every program uses for an error of this kind (DESIGN 2; sysexits.h).
[[nodiscard]] int exit_status(Kind kind) noexcept;

inline constexpr int kExitDone = 0;
inline constexpr int kExitDenied = 1;   // bk_access check
inline constexpr int kExitPartial = 3;  // finished, some entries skipped or flagged
inline constexpr int kExitOverdue = 4;  // --status: a source has not succeeded for too long
inline constexpr int kExitUsage = 64;
inline constexpr int kExitCorrupt = 65;
inline constexpr int kExitNotFound = 69;
inline constexpr int kExitIo = 74;
inline constexpr int kExitTryLater = 75;
inline constexpr int kExitProtocol = 76;
inline constexpr int kExitRefused = 77;
inline constexpr int kExitConfig = 78;

// A broken promise of our own code: prints file, line and text, and aborts, in release builds too.
[[noreturn]] void bug(const char* file, int line, std::string_view text) noexcept;
#define BK_CHECK(condition)                                      \
  do {                                                           \
    if (!(condition)) ::bk::bug(__FILE__, __LINE__, #condition); \
  } while (false)

}  // namespace bk
