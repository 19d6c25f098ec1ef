// What the files of common/ssh share: libssh's objects behind ssh.h.  Nobody else includes this.
#pragma once

#include "common/error/error.h"
#include "common/handle/handle.h"
#include "common/ssh/ssh.h"

#include <libssh/callbacks.h>
#include <libssh/libssh.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <string>

namespace bk::ssh {

// A moment in the future, on the clock that nobody sets.
class Deadline {
 public:
  explicit Deadline(std::chrono::milliseconds from_now) : at_(std::chrono::steady_clock::now() + from_now) {}
  // Milliseconds left, rounded up, as poll(2) takes them; 0 when it passed.
  [[nodiscard]] int left_ms() const {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(at_ - std::chrono::steady_clock::now());
    return static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, 1 << 30));
  }
  [[nodiscard]] bool passed() const { return left_ms() == 0; }

 private:
  std::chrono::steady_clock::time_point at_;
};

// Whether the far side still hears us.  TCP's own probes are answered by whatever stands in between (a proxy,
// a router that lost the way behind it); this asks the far side's SSH: "keepalive@openssh.com", which every
// server answers, if only with a refusal.  A long queue of our own that becomes shorter is a sign of life,
// too: the question stands at its end.  Only time spent waiting counts, so a caller that was busy elsewhere
// buries nobody.
class Pulse {
 public:
  static constexpr int kUnanswered = 4;
  void begin(ssh_session session, std::chrono::milliseconds every);
  // After each wait: sends a question when nothing came since the last for `every`.
  void check(ssh_session session);
  [[nodiscard]] bool gone() const { return unanswered_ > kUnanswered; }
  // What went over the socket, both ways.
  [[nodiscard]] std::uint64_t bytes() const { return counted_.in_bytes + counted_.out_bytes; }
  // When check() has something to do next.
  [[nodiscard]] int left_ms() const { return next_.left_ms(); }

 private:
  ssh_counter_struct counted_{};  // libssh counts the socket's bytes here
  [[nodiscard]] bool heard(ssh_session session);
  std::uint64_t heard_ = 0;
  int queued_ = 0;  // bytes of ours that the next machine did not take yet
  std::chrono::milliseconds every_{10000};
  Deadline next_{std::chrono::milliseconds(0)};
  int unanswered_ = 0;
};

// The session works without blocking: libssh queues and parses, we wait.  That is the only way in which
// libssh 0.10 keeps a deadline on everything (its blocking writes ignore SSH_OPTIONS_TIMEOUT).
struct Session::Impl {
  std::string where;  // "user@host:port", for messages
  Handle<ssh_session_struct, ssh_free> session;
  ssh_event event = nullptr;
  std::chrono::milliseconds idle{60000};
  Pulse pulse;
  std::optional<Pace> pace;  // only when there is a limit
  std::size_t window = 0;
  std::chrono::microseconds round_trip = std::chrono::hours(1);

  Impl() = default;
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;
  ~Impl();

  [[nodiscard]] bool alive() const;
  // Transient, with libssh's words; `doing` comes first.
  [[nodiscard]] Error broken(std::string_view doing) const;
  // Lets the line work until `ready()`; false when the deadline passed or the line broke before that.
  template <class Ready>
  [[nodiscard]] bool pump(const Deadline& deadline, Ready&& ready) {
    for (;;) {
      if (ready()) return true;
      if (!alive() || deadline.passed()) return false;
      work(deadline);
    }
  }
  // Calls `step` until it stops answering SSH_AGAIN; throws Transient at the deadline.
  template <class Step>
  int complete(std::string_view doing, const Deadline& deadline, Step&& step) {
    for (;;) {
      const int rc = step();
      if (rc != SSH_AGAIN) return rc;
      if (!alive()) throw broken(doing);
      if (deadline.passed()) throw timed_out(doing);
      work(deadline);
    }
  }
  [[nodiscard]] Error timed_out(std::string_view doing) const;
  // With a limit: books what went over the socket, and waits until more may.  Before bytes are taken from it;
  // those that wait in the kernel are the far side's problem.
  void keep_pace();

 private:
  std::uint64_t booked_ = 0;  // socket bytes
  // Waits for the line, until the deadline at most; asks a silent far side for a sign of life.
  void work(const Deadline& deadline);
};

// What the far side may have on its way to us at most.  libssh itself never asks for more than 1.28 MB, which
// is 11 MB/s at a round trip of 50 ms; this is 115 MB/s there, and what a channel gets that is further away
// than kFar, 145 MB/s or what the processors can.
inline constexpr std::uint32_t kWindow = 8U << 20U, kFarWindow = 16U << 20U;
inline constexpr std::chrono::milliseconds kFar{10};
// Asks for all of it.  The channel's standard error must go to a callback that takes everything.
// `received`: unread bytes that libssh does not know of.
void widen_window(ssh_channel channel, std::size_t window = kWindow, std::size_t received = 0);

// Widens the window again whenever an eighth of it was read.
class Window {
 public:
  explicit Window(std::size_t most = kWindow) : most_(most) {}
  [[nodiscard]] std::size_t most() const { return most_; }
  void was_read(ssh_channel channel, std::size_t bytes, std::size_t received = 0);

 private:
  std::size_t most_, since_widened_ = 0;
};

// What came and was not read yet: taken out of libssh at once, because libssh gives nothing more once the
// line broke.  At most kFarWindow; more stays in libssh, whose window then fills.
class Received {
 public:
  // All of it, or nothing (0) when it is too much.
  std::size_t put(const char* data, std::size_t bytes);
  std::size_t take(void* buffer, std::size_t bytes);
  void pause(bool yes) { paused_ = yes; }
  [[nodiscard]] std::size_t size() const { return bytes_.size() - from_; }

 private:
  std::string bytes_;
  std::size_t from_ = 0;  // where the unread ones begin
  bool paused_ = false;
};

struct Channel::Impl {
  std::shared_ptr<Session::Impl> session;
  Handle<ssh_channel_struct, ssh_channel_free> channel;
  ssh_channel_callbacks_struct callbacks{};
  std::string errors;  // standard error of the far side, capped
  std::optional<int> status;
  bool signalled = false;
  bool closed = false;
  Window window;
  Received received;

  explicit Impl(std::shared_ptr<Session::Impl> s) : session(std::move(s)), window(session->window) {}
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;
  ~Impl() { forget(channel.get()); }
  // libssh keeps a freed channel until the far side closed it, and would still call us then.
  void forget(ssh_channel c) {
    if (c != nullptr) (void)ssh_remove_channel_callbacks(c, &callbacks);
  }
  enum class Starts { Command, Subsystem };
  void open(Starts what, const std::string& name);
  [[nodiscard]] bool writable() const;
  [[nodiscard]] bool readable();
  [[nodiscard]] int read_kept(void* buffer, std::size_t size);
  [[nodiscard]] Error broken(std::string_view doing) const;
};

}  // namespace bk::ssh
