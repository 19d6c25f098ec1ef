#include "common/ssh/internal.h"
#include "common/text/escape.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace bk::ssh {
namespace {

constexpr std::size_t kMaxErrors = 64U << 10U;
// Larger pieces only wait in memory: what is in the socket's way must be gone before more is taken.
constexpr std::size_t kMaxPiece = 256U << 10U;

// libssh's callbacks: user data is the Channel::Impl.  They do not throw, except for memory, which ends us.
int on_data(ssh_session, ssh_channel, void* data, std::uint32_t size, int is_stderr, void* self) noexcept {
  if (is_stderr == 0)
    return static_cast<int>(
        static_cast<Channel::Impl*>(self)->received.put(static_cast<const char*>(data), size));
  std::string& errors = static_cast<Channel::Impl*>(self)->errors;
  errors.append(static_cast<const char*>(data), std::min<std::size_t>(size, kMaxErrors - errors.size()));
  return static_cast<int>(size);  // all of it, so that a chatty far side never stalls on its standard error
}
void on_close(ssh_session, ssh_channel, void* self) noexcept {
  static_cast<Channel::Impl*>(self)->closed = true;
}
void on_status(ssh_session, ssh_channel, int status, void* self) noexcept {
  static_cast<Channel::Impl*>(self)->status = status;
}
void on_signal(ssh_session, ssh_channel, const char*, int, const char*, const char*, void* self) noexcept {
  static_cast<Channel::Impl*>(self)->signalled = true;
}

}  // namespace

void Channel::Impl::open(Starts what, const std::string& name) {
  channel.reset(ssh_channel_new(session->session.get()));
  if (!channel) throw session->broken("opening a channel");
  ssh_callbacks_init(&callbacks);
  callbacks.userdata = this;
  callbacks.channel_data_function = on_data;
  callbacks.channel_close_function = on_close;
  callbacks.channel_exit_status_function = on_status;
  callbacks.channel_exit_signal_function = on_signal;
  (void)ssh_set_channel_callbacks(channel.get(), &callbacks);
  const Deadline deadline(session->idle);
  const auto step = [&](std::string_view doing, auto&& call) {
    const auto asked = std::chrono::steady_clock::now();
    const bool done = session->complete(doing, deadline, call) == SSH_OK;
    const auto took = std::chrono::steady_clock::now() - asked;
    session->round_trip =
        std::min(session->round_trip, std::chrono::duration_cast<std::chrono::microseconds>(took));
    if (done) return;
    if (!session->alive()) throw session->broken(doing);
    throw Error(Kind::Refused, session->where + ": " + std::string(doing) + ": " +
                                   quoted(ssh_get_error(session->session.get())));
  };
  step("opening a channel", [&] { return ssh_channel_open_session(channel.get()); });
  if (what == Starts::Subsystem) {
    step("starting the subsystem " + name,
         [&] { return ssh_channel_request_subsystem(channel.get(), name.c_str()); });
  } else {
    step("starting the command", [&] { return ssh_channel_request_exec(channel.get(), name.c_str()); });
  }
  if (session->window == kWindow && session->round_trip > kFar) window = Window(kFarWindow);
  if (!session->pace) widen_window(channel.get(), window.most());
}

bool Channel::Impl::writable() const {
  return ssh_channel_window_size(channel.get()) > 0 &&
         (ssh_get_status(session->session.get()) & SSH_WRITE_PENDING) == 0;
}

// Bytes, end of file or an error: a read will not wait.  libssh reads from the socket also when it is asked
// whether there is anything; what it gives us then is not in its answer.
bool Channel::Impl::readable() {
  return received.size() > 0 || ssh_channel_poll(channel.get(), 0) != 0 || received.size() > 0;
}

// What libssh kept because our buffer was full.  Nothing may pass it by into our buffer meanwhile.
int Channel::Impl::read_kept(void* buffer, std::size_t size) {
  const auto want = static_cast<std::uint32_t>(std::min<std::size_t>(size, 1U << 30U));
  received.pause(true);
  const int got = ssh_channel_read_nonblocking(channel.get(), buffer, want, 0);
  received.pause(false);
  return got;
}

Error Channel::Impl::broken(std::string_view doing) const {
  if (!session->alive()) return session->broken(doing);
  std::string text = session->where + ": " + std::string(doing) + ": the far side closed the channel";
  if (status) text += " with exit status " + std::to_string(*status);
  if (signalled) text += ", killed by a signal";
  if (!errors.empty()) text += ": " + quoted(errors.substr(0, 300));
  return {Kind::Transient, text};
}

// libssh widens the window only as a side of a read that asks for more than the window.  Asked of standard
// error, whose bytes never stay (on_data takes all), such a read copies nothing; the window is the channel's,
// for both.  What lies unread counts, so that a slow reader never holds more than about one window.
void widen_window(ssh_channel channel, std::size_t window, std::size_t received) {
  const int kept = ssh_channel_poll(channel, 0);
  if (kept < 0) return;
  const std::size_t unread = received + static_cast<std::size_t>(kept);
  if (unread > window / 2) return;
  char none = 0;
  (void)ssh_channel_read_timeout(channel, &none, static_cast<std::uint32_t>(window - unread), 1, 0);
}

void Window::was_read(ssh_channel channel, std::size_t bytes, std::size_t received) {
  since_widened_ += bytes;
  if (since_widened_ < most_ / 8) return;
  since_widened_ = 0;
  widen_window(channel, most_, received);
}

std::size_t Received::put(const char* data, std::size_t bytes) {
  if (paused_ || size() + bytes > kFarWindow) return 0;
  if (from_ > bytes_.size() / 2) bytes_.erase(0, std::exchange(from_, 0));  // each byte moves once at most
  bytes_.append(data, bytes);
  return bytes;
}

std::size_t Received::take(void* buffer, std::size_t bytes) {
  const std::size_t n = std::min(bytes, size());
  std::memcpy(buffer, bytes_.data() + from_, n);
  from_ += n;
  if (from_ == bytes_.size()) {
    bytes_.clear();
    from_ = 0;
  }
  return n;
}

Channel::Channel(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Channel::~Channel() = default;

std::size_t Channel::try_read(void* buffer, std::size_t size) {
  impl_->session->keep_pace();
  const int there = impl_->received.size() > 0 ? 1 : ssh_channel_poll(impl_->channel.get(), 0);
  std::size_t got = impl_->received.take(buffer, size);
  if (got == 0 && there > 0) {
    const int kept = impl_->read_kept(buffer, size);
    got = kept > 0 ? static_cast<std::size_t>(kept) : 0;
  }
  if (got > 0) {
    if (!impl_->session->pace && impl_->session->alive())
      impl_->window.was_read(impl_->channel.get(), got, impl_->received.size());
    return got;
  }
  if (there != SSH_ERROR || at_end()) return 0;
  throw impl_->broken("reading");
}

bool Channel::at_end() const {
  return impl_->received.size() == 0 && ssh_channel_is_eof(impl_->channel.get()) != 0;
}

std::size_t Channel::read(void* buffer, std::size_t size, std::chrono::milliseconds deadline) {
  const Deadline until(deadline);
  for (;;) {
    if (const std::size_t got = try_read(buffer, size); got > 0 || at_end()) return got;
    if (impl_->session->pump(until, [&] { return impl_->readable(); })) continue;
    if (!impl_->session->alive()) throw impl_->broken("reading");
    throw impl_->session->timed_out("reading");
  }
}

std::size_t Channel::try_write(std::string_view bytes) {
  // The caller reads what came before it learns that this went nowhere, as with bytes that were on their way.
  if (!impl_->session->alive() && impl_->received.size() > 0) return bytes.size();
  if (impl_->closed || !impl_->session->alive()) throw impl_->broken("writing");
  if (bytes.empty() || !impl_->writable()) return 0;
  const std::size_t window = ssh_channel_window_size(impl_->channel.get());
  const auto size = static_cast<std::uint32_t>(std::min({bytes.size(), window, kMaxPiece}));
  const int done = ssh_channel_write(impl_->channel.get(), bytes.data(), size);
  if (done < 0) throw impl_->broken("writing");
  return static_cast<std::size_t>(done);
}

void Channel::write(std::string_view bytes, std::chrono::milliseconds deadline) {
  while (!bytes.empty()) {
    const std::size_t done = try_write(bytes);
    bytes.remove_prefix(done);
    if (done > 0) continue;
    const auto ready = [&] { return impl_->closed || impl_->writable(); };
    if (impl_->session->pump(Deadline(deadline), ready)) continue;
    if (!impl_->session->alive()) throw impl_->broken("writing");
    throw impl_->session->timed_out("writing");
  }
}

Channel::Ready Channel::wait(bool to_read, bool to_write, std::chrono::milliseconds deadline) {
  Ready out;
  const auto ready = [&] {
    out.readable = to_read && impl_->readable();
    out.writable = to_write && (impl_->closed || impl_->writable());
    return out.readable || out.writable;
  };
  if (!impl_->session->pump(Deadline(deadline), ready) && !impl_->session->alive())
    throw impl_->broken("waiting");
  return out;
}

void Channel::send_eof() {
  if (impl_->closed || !impl_->session->alive()) return;
  (void)ssh_channel_send_eof(impl_->channel.get());
}

bool Channel::flush(std::chrono::milliseconds deadline) {
  return impl_->session->pump(Deadline(deadline), [&] {
    return (ssh_get_status(impl_->session->session.get()) & SSH_WRITE_PENDING) == 0;
  });
}

std::optional<int> Channel::exit_status(std::chrono::milliseconds deadline) {
  const auto known = [&] { return impl_->status.has_value() || impl_->signalled || impl_->closed; };
  if (!impl_->session->pump(Deadline(deadline), known) && impl_->session->alive())
    throw impl_->session->timed_out("waiting for the exit status");
  return impl_->signalled ? std::nullopt : impl_->status;
}

std::string Channel::take_stderr() { return std::exchange(impl_->errors, {}); }

}  // namespace bk::ssh
