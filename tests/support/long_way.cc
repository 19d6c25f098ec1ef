#include "tests/support/long_way.h"

#include "common/error/error.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <array>
#include <cstdio>

namespace bk::test {

LongWay::LongWay(std::uint16_t to_port, std::vector<std::string> options) {
  std::array<int, 2> ends{};
  check_sys(::pipe2(ends.data(), O_CLOEXEC), [] { return "making a pipe"; });
  says_ = Fd(ends[0]);
  const Fd write_end(ends[1]);
  Command command;
  command.argv = {BK_DELAY_PROXY, "--to", "127.0.0.1:" + std::to_string(to_port)};
  command.argv.insert(command.argv.end(), options.begin(), options.end());
  command.environment = base_environment("/");
  command.stdout_fd = write_end.get();
  command.stderr_fd = STDERR_FILENO;
  child_ = bk::start(command);
  unsigned port = 0;
  if (std::sscanf(read_line().c_str(), "port %u", &port) != 1)
    throw Error(Kind::Io, "delay_proxy named no port");
  port_ = static_cast<std::uint16_t>(port);
}

LongWay::~LongWay() = default;

std::string LongWay::read_line() {
  std::string line;
  for (char c = 0; ::read(says_.get(), &c, 1) == 1 && c != '\n';) line += c;
  return line;
}

LongWay::Carried LongWay::stop() {
  (void)::kill(child_->pid(), SIGTERM);
  unsigned long long up = 0, down = 0, connections = 0;
  if (std::sscanf(read_line().c_str(), "up %llu down %llu connections %llu", &up, &down, &connections) != 3)
    throw Error(Kind::Io, "delay_proxy did not say what went through");
  (void)child_->wait();
  return {up, down, connections};
}

}  // namespace bk::test
