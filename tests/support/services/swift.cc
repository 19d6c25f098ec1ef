#include "tests/support/services/swift.h"

#include "common/error/error.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <sstream>

namespace bk::test {

Swift::Swift(bool tls) {
  int input[2];
  int output[2];
  check_sys(::pipe2(input, O_CLOEXEC), [] { return "pipe"; });
  check_sys(::pipe2(output, O_CLOEXEC), [] { return "pipe"; });
  const Fd child_input(input[0]);
  Fd child_output(output[1]);
  const Fd said(output[0]);
  input_ = Fd(input[1]);
  Command command;
  command.argv = {BK_SOURCE "/tests/support/services/swift_server.py", dir_.path()};
  if (tls) command.argv.emplace_back("--tls");
  command.environment = base_environment(dir_.path());
  command.stdin_fd = child_input.get();
  command.stdout_fd = child_output.get();
  command.stderr_fd = STDERR_FILENO;
  child_ = start(command);
  child_output.reset();
  std::string line;
  struct pollfd ready {
    said.get(), POLLIN, 0
  };
  while (line.find('\n') == std::string::npos) {
    char c = 0;
    if (::poll(&ready, 1, 60'000) != 1 || ::read(said.get(), &c, 1) != 1) break;
    line += c;
  }
  if (line != "ready\n") {
    if (child_->wait() != 77) throw Error(Kind::Io, "Swift did not start: " + line);
    why_not_ = line;
    return;
  }
  std::istringstream env(read_file(dir_.file("env")));
  while (std::getline(env, line)) {
    const std::size_t equals = line.find('=');
    env_[line.substr(0, equals)] = line.substr(equals + 1);
  }
}

s3::Settings Swift::settings(const std::string& bucket) const {
  s3::Settings out;
  out.endpoint = value("S3_ENDPOINT");
  out.region = value("S3_REGION");
  out.bucket = bucket;
  out.credentials = {value("AWS_ACCESS_KEY_ID"), value("AWS_SECRET_ACCESS_KEY"), ""};
  out.ca_file = value("TLS_CA");
  out.attempts = 2;
  out.first_wait = std::chrono::milliseconds(10);
  return out;
}

std::string Swift::credentials_file() const {
  replace_durably(dir_.file("credentials"),
                  "[default]\naws_access_key_id = " + value("AWS_ACCESS_KEY_ID") +
                      "\naws_secret_access_key = " + value("AWS_SECRET_ACCESS_KEY") + "\n");
  return dir_.file("credentials");
}

}  // namespace bk::test
