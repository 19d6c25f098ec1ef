#include "client/agent/stripe_door.h"

#include "client/agent/line_io.h"
#include "common/error/error.h"
#include "common/random/random.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>

namespace bk::agent {

namespace {

constexpr std::size_t kNameBytes = 16, kTicketBytes = 32, kMaxServerBytes = 64;
constexpr std::chrono::milliseconds kPatience{5000};  // for what is said at the door
constexpr char kAdmitted = 1, kDismissed = 2;

struct DoorAddress {
  sockaddr_un address{};
  socklen_t bytes = 0;
};

DoorAddress address_of(const Digest& ticket) {
  DoorAddress out;
  out.address.sun_family = AF_UNIX;
  const std::string name = "backline-stripe-" + ticket.hex().substr(0, 2 * kNameBytes);
  std::copy(name.begin(), name.end(), out.address.sun_path + 1);  // behind a zero: abstract
  out.bytes = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
  return out;
}

Fd make_socket() {
  Fd fd(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  check_sys(fd.get(), [] { return "making a socket"; });
  return fd;
}

bool is_ours(int fd) {
  ucred who{};
  socklen_t size = sizeof who;
  return ::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &size) == 0 && who.uid == ::geteuid();
}

void limit_waiting(int fd) {
  const timeval limit{kPatience.count() / 1000, 0};
  (void)::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  (void)::setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
}

// One message with the two descriptors that come along.
struct Message {
  std::array<char, kTicketBytes + kMaxServerBytes> text{};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(2 * sizeof(int))> rights{};
  iovec piece{text.data(), text.size()};
  msghdr header{};
  Message() {
    header.msg_iov = &piece;
    header.msg_iovlen = 1;
    header.msg_control = rights.data();
    header.msg_controllen = rights.size();
  }
  Message(const Message&) = delete;
  Message& operator=(const Message&) = delete;
};

std::vector<Fd> descriptors_of(Message& message) {
  std::vector<Fd> out;
  for (cmsghdr* c = CMSG_FIRSTHDR(&message.header); c != nullptr; c = CMSG_NXTHDR(&message.header, c)) {
    if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
    for (std::size_t at = CMSG_LEN(0); at + sizeof(int) <= c->cmsg_len; at += sizeof(int)) {
      int fd = -1;
      std::memcpy(&fd, reinterpret_cast<const char*>(c) + at, sizeof fd);
      out.emplace_back(fd);
    }
  }
  return out;
}

std::optional<Arrival> hear(Fd caller) {
  if (!is_ours(caller.get())) return std::nullopt;
  limit_waiting(caller.get());
  Message message;
  const ssize_t got = ::recvmsg(caller.get(), &message.header, MSG_CMSG_CLOEXEC);
  if (got < 0) return std::nullopt;
  std::vector<Fd> fds = descriptors_of(message);
  const bool cut = (message.header.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0;
  if (cut || got < static_cast<ssize_t>(kTicketBytes) || fds.size() != 2) return std::nullopt;
  const std::string_view text(message.text.data(), static_cast<std::size_t>(got));
  return Arrival{Digest::from_bytes(text.substr(0, kTicketBytes)), std::string(text.substr(kTicketBytes)),
                 std::move(fds[0]), std::move(fds[1]), std::move(caller)};
}

void say(const Arrival& arrival, char word) {
  (void)!::send(arrival.caller.get(), &word, 1, MSG_NOSIGNAL);  // who is gone needs no answer
}

}  // namespace

StripeDoor::StripeDoor(std::size_t tickets) : listener_(make_socket()) {
  SystemRandom random;
  const std::string name = random.bytes(kNameBytes);
  for (std::size_t i = 0; i < tickets; ++i)
    tickets_.push_back(Digest::from_bytes(name + random.bytes(kTicketBytes - kNameBytes)));
  const DoorAddress at = address_of(tickets_.front());
  check_sys(::bind(listener_.get(), reinterpret_cast<const sockaddr*>(&at.address), at.bytes),
            [] { return "binding the socket of the stripes"; });
  check_sys(::listen(listener_.get(), 16), [] { return "listening for stripes"; });
  set_nonblocking(listener_.get());
}

std::optional<Arrival> StripeDoor::next(int wake, std::chrono::milliseconds limit) {
  const auto until = std::chrono::steady_clock::now() + limit;
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - std::chrono::steady_clock::now());
    if (left.count() <= 0 || wait_for(listener_.get(), POLLIN, wake, left) != Ready::Yes) return std::nullopt;
    Fd caller(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!caller) continue;
    if (auto arrival = hear(std::move(caller))) return arrival;
  }
}

void admit(const Arrival& arrival) { say(arrival, kAdmitted); }
void dismiss(const Arrival& arrival) { say(arrival, kDismissed); }

namespace {

Fd knock(const Digest& ticket, const std::string& server, int in_fd, int out_fd) {
  Fd door = make_socket();
  const DoorAddress at = address_of(ticket);
  const auto* address = reinterpret_cast<const sockaddr*>(&at.address);
  limit_waiting(door.get());
  if (::connect(door.get(), address, at.bytes) != 0 || !is_ours(door.get()))
    throw Error(Kind::Refused, "no pull waits for this stripe");
  Message message;
  const std::string text = std::string(ticket.view()) + server;
  message.piece.iov_len = std::min(text.size(), message.text.size());
  std::copy_n(text.begin(), message.piece.iov_len, message.text.begin());
  cmsghdr* rights = CMSG_FIRSTHDR(&message.header);
  rights->cmsg_level = SOL_SOCKET;
  rights->cmsg_type = SCM_RIGHTS;
  rights->cmsg_len = CMSG_LEN(2 * sizeof(int));
  const std::array<int, 2> both{in_fd, out_fd};
  std::memcpy(CMSG_DATA(rights), both.data(), sizeof both);
  if (::sendmsg(door.get(), &message.header, MSG_NOSIGNAL) < 0)
    throw Error(Kind::Refused, "no pull waits for this stripe");
  return door;
}

// 0 at the end.
char hear_word(int fd) {
  char word = 0;
  for (;;) {
    const ssize_t got = ::recv(fd, &word, 1, 0);
    if (got < 0 && errno == EINTR) continue;
    return got == 1 ? word : '\0';
  }
}

void let_go_of(int fd) {
  const Fd nowhere(::open("/dev/null", O_RDWR | O_CLOEXEC));
  check_sys(nowhere.get(), [] { return "opening /dev/null"; });
  check_sys(::dup2(nowhere.get(), fd), [] { return "closing a line's descriptor"; });
}

}  // namespace

void join_stripe(const Digest& ticket, const std::string& server, int in_fd, int out_fd) {
  const Fd door = knock(ticket, server, in_fd, out_fd);
  if (hear_word(door.get()) != kAdmitted) throw Error(Kind::Refused, "this ticket is not valid");
  let_go_of(in_fd);
  let_go_of(out_fd);
  // As long as the pull lasts: its deadlines are the agent's, whose end closes the door.
  const timeval forever{};
  (void)::setsockopt(door.get(), SOL_SOCKET, SO_RCVTIMEO, &forever, sizeof forever);
  if (hear_word(door.get()) != kDismissed) throw Error(Kind::Transient, "the pull ended before its stripe");
}

}  // namespace bk::agent
