#include "client/restore/fetch.h"

#include "common/error/error.h"
#include "common/io/file.h"
#include "common/ssh/host_key_mark.h"
#include "common/ssh/ssh.h"

#include <poll.h>
#include <unistd.h>

#include <chrono>

namespace bk::client {
namespace {

// The server may have to look for long before it has something to say; a dead line is noticed within a
// minute.
constexpr std::chrono::milliseconds kIdle{600000};
constexpr std::chrono::milliseconds kEnding{60000};

// Whoever may not write in this home (a person who restores as somebody else) cannot mark; the refusal is the
// same.
std::string mark_file(const std::string& home, const std::string& server) {
  const std::string log = join_path(home, "log");
  return ::access(log.c_str(), W_OK) == 0 ? ssh::host_key_mark_file(home, server) : "";
}

ssh::Endpoint endpoint_of(const std::string& home, const ServerConfig& server) {
  ssh::Endpoint out;
  out.mark_file = mark_file(home, server.name);
  out.address = ssh::parse_url(server.url);
  out.host_key = server.hostkey;
  out.identity_file = server.identity;
  out.idle_timeout = kIdle;
  return out;
}

std::string first_lines(std::string text) {
  for (char& c : text)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
  while (!text.empty() && text.back() == ' ') text.pop_back();
  return text.substr(0, 1000);
}

// The stream had no end: what the far side said and how it ended is what a person needs to know.
[[noreturn]] void explain(ssh::Channel& channel, const Error& error) {
  const std::optional<int> status = channel.exit_status(kEnding);
  const std::string said = first_lines(channel.take_stderr());
  if (said.empty() || !status || *status == 0) throw error;
  const Kind kind = *status == kExitRefused  ? Kind::Refused
                    : *status == kExitConfig ? Kind::Config
                                             : Kind::Transient;
  throw Error(kind, "the server says: " + said);
}

}  // namespace

int fetch(const std::string& home, const ServerConfig& server, const restore::Ask& ask,
          const ReceiveTask& wanted) {
  ssh::Session session(endpoint_of(home, server));
  const std::unique_ptr<ssh::Channel> channel = session.exec("backline restore");
  const std::string payload = restore::encode(ask);
  try {
    channel->write(restore::frame_header(restore::FrameType::Ask, payload.size()) + payload, kEnding);
  } catch (const Error& error) {
    explain(*channel, error);  // it may have refused, and ended, before we asked
  }
  ReceiveTask task = wanted;
  task.say = [&](std::string_view frame) { channel->write(frame, kEnding); };
  bool any = false;
  try {
    const int status = receive(
        [&](char* buffer, std::size_t size) {
          const std::size_t n = channel->read(buffer, size, kIdle);
          any = any || n > 0;
          return n;
        },
        task);
    const std::string said = first_lines(channel->take_stderr());
    if (!said.empty()) task.complain(said);
    return status;
  } catch (const Error& error) {
    if (error.kind() != Kind::Protocol || any) throw;
    explain(*channel, error);
  }
}

int receive_from(int fd, const ReceiveTask& task) {
  return receive(
      [&](char* buffer, std::size_t size) -> std::size_t {
        for (;;) {
          pollfd poll{fd, POLLIN, 0};
          const int ready = ::poll(&poll, 1, static_cast<int>(kIdle.count()));
          if (ready == 0) throw Error(Kind::Transient, "no byte of the stream came for ten minutes");
          const ssize_t n = ready < 0 ? -1 : ::read(fd, buffer, size);
          if (n >= 0) return static_cast<std::size_t>(n);
          if (errno != EINTR && errno != EAGAIN) throw sys_error(errno, "reading the stream");
        }
      },
      task);
}

}  // namespace bk::client
