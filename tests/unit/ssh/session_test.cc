#include "common/error/error.h"
#include "common/io/file.h"
#include "common/ssh/ssh.h"
#include "tests/support/sshd.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <chrono>

namespace bk::ssh {
namespace {

using namespace std::chrono_literals;
using test::Sshd;

Kind kind_of(const std::function<void()>& body, std::string* text = nullptr) {
  try {
    body();
  } catch (const Error& error) {
    if (text != nullptr) *text = error.what();
    return error.kind();
  }
  ADD_FAILURE() << "nothing was thrown";
  return Kind::Usage;
}

std::string all_of(Channel& channel) {
  std::string out;
  char buffer[4096];
  while (const std::size_t got = channel.read(buffer, sizeof buffer, 10s)) out.append(buffer, got);
  return out;
}

TEST(SshSession, RunsACommandAndTellsOutputErrorsAndStatus) {
  const Sshd server;
  Session session(server.endpoint());
  const auto channel = session.exec("echo out; echo err >&2; exit 7");
  EXPECT_EQ(all_of(*channel), "out\n");
  EXPECT_EQ(channel->exit_status(10s), 7);
  EXPECT_EQ(channel->take_stderr(), "err\n");
}

class SshKeys : public testing::TestWithParam<const char*> {};
TEST_P(SshKeys, EachTypeIsAcceptedAsClientKeyAndAsHostKey) {
  Sshd::Options options;
  options.client_key_type = GetParam();
  options.host_key_types = {GetParam()};
  const Sshd server(options);
  Session session(server.endpoint());
  EXPECT_EQ(all_of(*session.exec("echo hello")), "hello\n");
}
INSTANTIATE_TEST_SUITE_P(Types, SshKeys, testing::Values("ed25519", "ecdsa", "rsa"),
                         [](const auto& test) { return std::string(test.param); });

TEST(SshSession, OfSeveralHostKeysThePinnedOneIsAskedFor) {
  Sshd::Options options;
  options.host_key_types = {"ed25519", "rsa", "ecdsa"};
  const Sshd server(options);
  for (const std::string& type : options.host_key_types) {
    Endpoint to = server.endpoint();
    to.host_key = server.host_key(type);
    EXPECT_NO_THROW(Session{to}) << type;
  }
}

TEST(SshSession, AnUnknownKeyIsRefused) {
  const Sshd server;
  Endpoint to = server.endpoint();
  to.identity_file = server.dir().file("other");
  test::make_key(to.identity_file);
  std::string text;
  EXPECT_EQ(kind_of([&] { Session session(to); }, &text), Kind::Refused);
  EXPECT_NE(text.find("does not accept the key"), std::string::npos) << text;
}

TEST(SshSession, AChangedHostKeyIsRefusedAndSaysSo) {
  const Sshd server;
  test::make_key(server.dir().file("other"));
  Endpoint to = server.endpoint();
  to.host_key = test::public_key(server.dir().file("other"));
  std::string text;
  EXPECT_EQ(kind_of([&] { Session session(to); }, &text), Kind::Refused);
  EXPECT_NE(text.find("host key changed"), std::string::npos) << text;
  EXPECT_EQ(server.log().find("Accepted publickey"), std::string::npos) << "nothing may be sent to it";
}

TEST(SshSession, AHostKeyOfAnotherTypeIsRefusedAndSaysSo) {
  const Sshd server;
  test::make_key(server.dir().file("other"), "rsa");
  Endpoint to = server.endpoint();
  to.host_key = test::public_key(server.dir().file("other"));
  std::string text;
  EXPECT_EQ(kind_of([&] { Session session(to); }, &text), Kind::Refused);
  EXPECT_NE(text.find("host key changed"), std::string::npos) << text;
}

TEST(SshSession, AMissingIdentityFileOrBrokenPinIsAMatterOfConfiguration) {
  const Sshd server;
  Endpoint to = server.endpoint();
  to.identity_file = "/nowhere/key";
  EXPECT_EQ(kind_of([&] { Session session(to); }), Kind::Config);
  to = server.endpoint();
  for (const char* pin : {"", "ssh-ed25519", "ssh-ed25519 AAAA", "nonsense AAAA"}) {
    to.host_key = pin;
    EXPECT_EQ(kind_of([&] { Session session(to); }), Kind::Config) << pin;
  }
}

TEST(SshSession, AnIdentityFileThatOthersCanReadIsRefused) {
  const Sshd server;
  Endpoint to = server.endpoint();
  to.identity_file = server.dir().file("open");
  replace_durably(to.identity_file, read_file(server.endpoint().identity_file), 0640);
  std::string text;
  EXPECT_EQ(kind_of([&] { Session session(to); }, &text), Kind::Config);
  EXPECT_NE(text.find("chmod 600"), std::string::npos) << text;
  ASSERT_EQ(::chmod(to.identity_file.c_str(), 0600), 0);
  EXPECT_NO_THROW(Session{to});
}

TEST(SshSession, NobodyListeningIsTransient) {
  Sshd server;
  const Endpoint to = server.endpoint();
  server.stop();
  EXPECT_EQ(kind_of([&] { Session session(to); }), Kind::Transient);
}

TEST(SshSession, APeerThatNeverGreetsEndsAtTheDeadline) {
  const Fd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  ASSERT_EQ(::bind(listener.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
  ASSERT_EQ(::listen(listener.get(), 1), 0);
  ASSERT_EQ(::getsockname(listener.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
  const Sshd server;  // for its keys
  Endpoint to = server.endpoint();
  to.address.port = ntohs(address.sin_port);
  to.connect_timeout = 700ms;
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_EQ(kind_of([&] { Session session(to); }), Kind::Transient);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 5s);
}

}  // namespace
}  // namespace bk::ssh
