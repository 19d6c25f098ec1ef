#include "common/io/fd.h"
#include "common/ssh/host_key_mark.h"
#include "common/ssh/internal.h"
#include "common/ssh/resolve.h"
#include "common/text/escape.h"

#include <libssh/server.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace bk::ssh {
namespace {

using SshKey = Handle<ssh_key_struct, ssh_key_free>;
using CString = Handle<char, ssh_string_free_char>;

constexpr int kLongQueue = 64 << 10;
constexpr const char* kCiphers =
    "aes256-gcm@openssh.com,aes128-gcm@openssh.com,chacha20-poly1305@openssh.com";

std::string shown(const Address& a) { return a.user + "@" + a.host + ":" + std::to_string(a.port); }

// 0, or the errno of the failed connection.
int connect_one(const Fd& fd, const addrinfo& to, const Deadline& deadline) {
  if (::connect(fd.get(), to.ai_addr, to.ai_addrlen) == 0) return 0;
  if (errno != EINPROGRESS) return errno;
  pollfd wait{fd.get(), POLLOUT, 0};
  int rc = 0;
  do rc = ::poll(&wait, 1, deadline.left_ms());
  while (rc < 0 && errno == EINTR);
  if (rc == 0) return ETIMEDOUT;
  int code = 0;
  socklen_t size = sizeof code;
  if (rc < 0 || ::getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &code, &size) < 0) return errno;
  return code;
}

// A peer that vanished without a word (power, cable, firewall) is noticed within a minute: idle lines are
// probed after 15 s, and unanswered bytes give up after 50 s.
void watch_peer(const Fd& fd) {
  const auto set = [&](int level, int name, int value) {
    (void)::setsockopt(fd.get(), level, name, &value, sizeof value);
  };
  set(IPPROTO_TCP, TCP_NODELAY, 1);  // 6 to 17 times as fast on requests and answers
  set(SOL_SOCKET, SO_KEEPALIVE, 1);
  set(IPPROTO_TCP, TCP_KEEPIDLE, 15);
  set(IPPROTO_TCP, TCP_KEEPINTVL, 10);
  set(IPPROTO_TCP, TCP_KEEPCNT, 3);
  set(IPPROTO_TCP, TCP_USER_TIMEOUT, 50000);
}

// The kernel takes bytes on its own: no more than what comes in a fifth of a second.
void narrow(const Fd& fd, std::uint64_t bytes_per_second) {
  if (bytes_per_second == 0) return;
  const int size = static_cast<int>(std::clamp<std::uint64_t>(bytes_per_second / 5, 16U << 10U, 1U << 20U));
  (void)::setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
}

Fd connect_socket(const Endpoint& endpoint, const Deadline& deadline) {
  const Address& address = endpoint.address;
  const std::string doing = "connecting to " + shown(address);
  const Addresses found =
      resolve(address.host, address.port, std::chrono::milliseconds(deadline.left_ms()), doing);
  int code = EHOSTUNREACH;
  for (const addrinfo* to = found.get(); to != nullptr; to = to->ai_next) {
    Fd fd(::socket(to->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, to->ai_protocol));
    if (!fd) {
      code = errno;
      continue;
    }
    watch_peer(fd);
    narrow(fd, endpoint.bandwidth.bytes_per_second);
    code = connect_one(fd, *to, deadline);
    if (code == 0) return fd;
  }
  throw Error(Kind::Transient, sys_error(code, doing).what());
}

struct HostKey {
  std::string type, base64;
};

HostKey parse_host_key(const std::string& text) {
  const std::size_t space = text.find(' ');
  if (space == std::string::npos)
    throw Error(Kind::Config, "host key " + quoted(text) + ": write \"<type> <base64>\", as in a .pub file");
  HostKey out{text.substr(0, space), text.substr(space + 1)};
  out.base64 = out.base64.substr(0, out.base64.find_first_of(" \t\r\n"));
  SshKey key;
  const ssh_keytypes_e type = ssh_key_type_from_name(out.type.c_str());
  if (type == SSH_KEYTYPE_UNKNOWN ||
      ssh_pki_import_pubkey_base64(out.base64.c_str(), type, Out(key)) != SSH_OK)
    throw Error(Kind::Config,
                "host key " + quoted(text) + ": is not a public key of type " + quoted(out.type));
  return out;
}

// The pinned type first, so that a server with several keys shows the one we know.  The others behind it, so
// that a server without that type shows what it has and the comparison refuses it: with the pinned type
// alone, sshd hangs up while it is greeted, which looks like a broken line and would be tried again.
std::string algorithms_for(const std::string& type) {
  std::string out = type == "ssh-rsa" ? "rsa-sha2-512,rsa-sha2-256" : type;
  for (const char* other : {"ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384",
                            "ecdsa-sha2-nistp521", "rsa-sha2-512", "rsa-sha2-256"}) {
    if (out.find(other) == std::string::npos) out += std::string(",") + other;
  }
  return out;
}

void set_option(ssh_session session, ssh_options_e option, const void* value) {
  if (ssh_options_set(session, option, value) != SSH_OK)
    throw Error(Kind::Config, std::string("setting an SSH option: ") + ssh_get_error(session));
}

void set_options(ssh_session session, const Endpoint& to, const HostKey& pinned, int fd) {
  const bool no = false;
  set_option(session, SSH_OPTIONS_PROCESS_CONFIG, &no);
  set_option(session, SSH_OPTIONS_KNOWNHOSTS, "/dev/null");
  set_option(session, SSH_OPTIONS_GLOBAL_KNOWNHOSTS, "/dev/null");
  set_option(session, SSH_OPTIONS_HOST, to.address.host.c_str());
  set_option(session, SSH_OPTIONS_USER, to.address.user.c_str());
  const unsigned port = to.address.port;
  set_option(session, SSH_OPTIONS_PORT, &port);
  set_option(session, SSH_OPTIONS_FD, &fd);
  set_option(session, SSH_OPTIONS_CIPHERS_C_S, kCiphers);
  set_option(session, SSH_OPTIONS_CIPHERS_S_C, kCiphers);
  set_option(session, SSH_OPTIONS_HOSTKEYS, algorithms_for(pinned.type).c_str());
  set_option(session, SSH_OPTIONS_COMPRESSION, "no");
  const long seconds = std::max<long>(1, to.connect_timeout.count() / 1000);
  set_option(session, SSH_OPTIONS_TIMEOUT, &seconds);
}

// Before the event exists: waits for the socket itself.
template <class Step>
int complete_on_socket(const Session::Impl& impl, std::string_view doing, const Deadline& deadline, int again,
                       Step&& step) {
  for (;;) {
    const int rc = step();
    if (rc != again) return rc;
    if (deadline.passed()) throw impl.timed_out(doing);
    const bool pending = (ssh_get_status(impl.session.get()) & SSH_WRITE_PENDING) != 0;
    pollfd wait{ssh_get_fd(impl.session.get()), static_cast<short>(POLLIN | (pending ? POLLOUT : 0)), 0};
    (void)::poll(&wait, 1, deadline.left_ms());
  }
}

// The far side is a stranger: nobody connects again until somebody has looked.
void note_change(const Endpoint& to, const std::string& shown) {
  if (!to.mark_file.empty()) mark_host_key(to.mark_file, to.host_key, shown, SystemClock().now());
}

void handshake(const Session::Impl& impl, const Endpoint& to, const HostKey& pinned,
               const Deadline& deadline) {
  const int rc = complete_on_socket(impl, "greeting", deadline, SSH_AGAIN,
                                    [&] { return ssh_connect(impl.session.get()); });
  if (rc == SSH_OK) return;
  const std::string_view why = ssh_get_error(impl.session.get());
  if (why.find("server host key") != std::string_view::npos) {
    note_change(to, "no " + pinned.type + " key");
    throw Error(Kind::Refused, impl.where + ": the host key changed: the far side has no " + pinned.type +
                                   " key as the pinned one is (" + std::string(why) + ")");
  }
  throw impl.broken("greeting");
}

void check_host_key(const Session::Impl& impl, const Endpoint& to, const HostKey& pinned) {
  SshKey key;
  char* text = nullptr;
  const int rc = ssh_get_server_publickey(impl.session.get(), Out(key));
  if (rc != SSH_OK || ssh_pki_export_pubkey_base64(key.get(), &text) != SSH_OK)
    throw impl.broken("reading the host key");
  const CString base64(text);
  if (pinned.base64 == base64.get()) return;
  note_change(to, std::string(ssh_key_type_to_char(ssh_key_type(key.get()))) + " " + base64.get());
  throw Error(Kind::Refused, impl.where + ": the host key changed: it shows " +
                                 ssh_key_type_to_char(ssh_key_type(key.get())) + " " + base64.get() +
                                 ", pinned is " + pinned.type + " " + pinned.base64 +
                                 "; nothing was sent.  If the change is wanted, write the new key into the "
                                 "configuration");
}

// As ssh does it: a key that others can read has perhaps been read.
void refuse_open_key(const std::string& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) < 0) return;  // the library says what is wrong
  const mode_t open = info.st_uid == ::geteuid() ? 077 : 07;
  if ((info.st_mode & open) != 0)
    throw Error(Kind::Config, "identity file " + quoted(path) +
                                  ": is open to others than its owner: chmod 600 it, and change the key if "
                                  "others were on this machine");
}

void authenticate(const Session::Impl& impl, const Endpoint& to, const Deadline& deadline) {
  refuse_open_key(to.identity_file);
  SshKey key;
  if (ssh_pki_import_privkey_file(to.identity_file.c_str(), "", nullptr, nullptr, Out(key)) != SSH_OK)
    throw Error(Kind::Config, "identity file " + quoted(to.identity_file) +
                                  ": is missing, not readable, or not a private key without passphrase");
  const int rc = complete_on_socket(impl, "logging in", deadline, SSH_AUTH_AGAIN, [&] {
    return ssh_userauth_publickey(impl.session.get(), nullptr, key.get());
  });
  if (rc == SSH_AUTH_SUCCESS) return;
  const std::string_view why = ssh_get_error(impl.session.get());
  const bool denied =
      rc == SSH_AUTH_DENIED || rc == SSH_AUTH_PARTIAL || why.find("authentication") != std::string_view::npos;
  if (!denied) throw impl.broken("logging in");
  throw Error(Kind::Refused, impl.where + ": does not accept the key " + quoted(to.identity_file));
}

}  // namespace

Session::Impl::~Impl() {
  if (event != nullptr) {
    (void)ssh_event_remove_session(event, session.get());
    ssh_event_free(event);
  }
  if (session) ssh_disconnect(session.get());  // one packet, never waits: the session does not block
}

void Pulse::begin(ssh_session session, std::chrono::milliseconds every) {
  ssh_set_counters(session, &counted_, nullptr);
  every_ = every;
  next_ = Deadline(every);
}

bool Pulse::heard(ssh_session session) {
  int queued = 0;
  (void)::ioctl(ssh_get_fd(session), SIOCOUTQ, &queued);
  const bool shorter = queued < queued_ && queued_ > kLongQueue;
  queued_ = queued;
  return std::exchange(heard_, counted_.in_bytes) != counted_.in_bytes || shorter;
}

void Pulse::check(ssh_session session) {
  if (heard(session)) {
    unanswered_ = 0;
    next_ = Deadline(every_);
  }
  if (!next_.passed()) return;
  if (++unanswered_ <= kUnanswered) (void)ssh_send_keepalive(session);  // queued; the answer is only counted
  next_ = Deadline(every_);
}

void Session::Impl::keep_pace() {
  if (!pace) return;
  pace->take(pulse.bytes() - std::exchange(booked_, pulse.bytes()));
  pace->wait();
}

void Session::Impl::work(const Deadline& deadline) {
  keep_pace();
  (void)ssh_event_dopoll(event, std::min(deadline.left_ms(), pulse.left_ms()));
  pulse.check(session.get());
}

bool Session::Impl::alive() const {
  return !pulse.gone() && ssh_is_connected(session.get()) != 0 &&
         (ssh_get_status(session.get()) & (SSH_CLOSED | SSH_CLOSED_ERROR)) == 0;
}

Error Session::Impl::broken(std::string_view doing) const {
  if (pulse.gone())
    return {Kind::Transient,
            where + ": " + std::string(doing) + ": the far side has vanished: it answered no sign of life"};
  std::string_view why = ssh_get_error(session.get());
  if (why.empty()) why = "the connection was lost";
  const bool protocol = why.find("Packet len too high") != std::string_view::npos ||
                        why.find("HMAC error") != std::string_view::npos;
  const std::string text(why);
  const bool plain = std::all_of(text.begin(), text.end(), [](char c) { return c >= ' ' && c <= '~'; });
  return {protocol ? Kind::Protocol : Kind::Transient,
          where + ": " + std::string(doing) + ": " + (plain ? text : quoted(text))};
}

Error Session::Impl::timed_out(std::string_view doing) const {
  return {Kind::Transient, where + ": " + std::string(doing) + ": the far side said nothing in time"};
}

Session::Session(const Endpoint& endpoint) : impl_(std::make_shared<Impl>()) {
  const HostKey pinned = parse_host_key(endpoint.host_key);
  if (!endpoint.mark_file.empty()) require_no_mark(endpoint.mark_file, endpoint.host_key);
  const Deadline deadline(endpoint.connect_timeout);
  Impl& impl = *impl_;
  impl.where = shown(endpoint.address);
  impl.idle = endpoint.idle_timeout;
  impl.window = std::min<std::size_t>(endpoint.window, kWindow);
  impl.session.reset(ssh_new());
  if (!impl.session) throw std::bad_alloc();
  if (endpoint.bandwidth.bytes_per_second != 0) impl.pace.emplace(endpoint.bandwidth);
  Fd fd = connect_socket(endpoint, deadline);
  set_options(impl.session.get(), endpoint, pinned, fd.get());
  ssh_set_blocking(impl.session.get(), 0);
  (void)fd.release();  // libssh's from here: ssh_disconnect closes it
  handshake(impl, endpoint, pinned, deadline);
  check_host_key(impl, endpoint, pinned);
  authenticate(impl, endpoint, deadline);
  impl.event = ssh_event_new();
  if (impl.event == nullptr || ssh_event_add_session(impl.event, impl.session.get()) != SSH_OK)
    throw std::bad_alloc();
  impl.pulse.begin(impl.session.get(), endpoint.probe);
}

Session::~Session() = default;
Session::Session(Session&&) noexcept = default;
Session& Session::operator=(Session&&) noexcept = default;

std::unique_ptr<Channel> Session::exec(const std::string& command) {
  auto impl = std::make_unique<Channel::Impl>(impl_);
  impl->open(Channel::Impl::Starts::Command, command);
  return std::unique_ptr<Channel>(new Channel(std::move(impl)));
}

std::unique_ptr<Channel> Session::subsystem(const std::string& name) {
  auto impl = std::make_unique<Channel::Impl>(impl_);
  impl->open(Channel::Impl::Starts::Subsystem, name);
  return std::unique_ptr<Channel>(new Channel(std::move(impl)));
}

std::chrono::microseconds Session::round_trip() const { return impl_->round_trip; }

bool Session::alive() const { return impl_ != nullptr && impl_->alive(); }

}  // namespace bk::ssh
