#include "server/pull/ssh_bridge.h"

#include "common/io/file.h"
#include "common/text/document.h"
#include "common/text/escape.h"
#include "common/text/number.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <cstdlib>

namespace bk::pull {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr const char* kOrderVariable = "BACKLINE_BRIDGE_ORDER_FD";
constexpr const char* kReportVariable = "BACKLINE_BRIDGE_REPORT_FD";
constexpr milliseconds kSlice{5};  // how long the line is watched before git's side is looked at again
constexpr std::size_t kPieceBytes = 65536;

Fd memory_file(const char* name, std::string_view bytes) {
  Fd fd(check_sys(::memfd_create(name, MFD_CLOEXEC), [] { return "making a memory file"; }));
  write_all(fd.get(), bytes);
  return fd;
}

std::string read_memory_file(int fd) {
  std::string text(1U << 16U, '\0');
  text.resize(pread_up_to(fd, text.data(), text.size(), 0));
  return text;
}

int fd_from(const char* variable) {
  const char* text = std::getenv(variable);
  const std::optional<int> fd = text != nullptr ? parse_int<int>(text, 3, 1 << 20) : std::nullopt;
  if (!fd) throw Error(Kind::Usage, "bk_ssh is started by do_backup's git, not by hand");
  return *fd;
}

struct Bridge {
  ssh::Channel& channel;
  milliseconds idle;
  std::uint64_t left;  // bytes that may still come
  std::string to_far;  // read from git, not yet taken by the line
  bool git_open = true, eof_sent = false;
  steady_clock::time_point moved = steady_clock::now();

  bool from_git() {
    if (!git_open || !to_far.empty()) return false;
    pollfd ready{STDIN_FILENO, POLLIN, 0};
    if (::poll(&ready, 1, 0) <= 0) return false;
    std::array<char, kPieceBytes> buffer{};
    const ssize_t n = ::read(STDIN_FILENO, buffer.data(), buffer.size());
    if (n < 0) return false;
    if (n == 0) git_open = false;
    to_far.append(buffer.data(), static_cast<std::size_t>(n));
    return true;
  }
  bool to_line() {
    if (to_far.empty()) {
      if (git_open || eof_sent) return false;
      channel.send_eof();
      eof_sent = true;
      return true;
    }
    const std::size_t n = channel.try_write(to_far);
    to_far.erase(0, n);
    return n > 0;
  }
  bool from_line() {
    std::array<char, kPieceBytes> buffer{};
    const std::size_t n = channel.try_read(buffer.data(), buffer.size());
    if (n > left)
      throw Error(Kind::Refused,
                  "the client sends more than its quota leaves (backline.conf); an "
                  "administrator can raise it, or make room with bkdb keep and bkdb clean");
    left -= n;
    if (n > 0) write_all(STDOUT_FILENO, {buffer.data(), n});
    return n > 0;
  }
  int run() {
    while (!channel.at_end()) {
      const bool sent = from_git() | to_line();  // both, always
      if (from_line() || sent) {
        moved = steady_clock::now();
        continue;
      }
      if (steady_clock::now() - moved > idle)
        throw Error(Kind::Transient,
                    "the client was silent for " + std::to_string(idle.count() / 1000) + " s");
      (void)channel.wait(true, !to_far.empty(), kSlice);
    }
    const std::optional<int> status = channel.exit_status(idle);
    const std::string said = channel.take_stderr();
    if (status == 0) return 0;
    const std::string words = said.empty() ? "no reason given" : said;
    if (status == kExitRefused) throw Error(Kind::Refused, "the client refuses: " + words);
    throw Error(Kind::Transient,
                "git-upload-pack on the client ended with " +
                    (status ? "status " + std::to_string(*status) : std::string("a broken line")) + ": " +
                    words);
  }
};

}  // namespace

std::string write_order(const BridgeOrder& order) {
  Document doc("bk-bridge", 1);
  const ssh::Endpoint& end = order.endpoint;
  doc.add("user", end.address.user).add("host", end.address.host).add("port", end.address.port);
  doc.add("host-key", end.host_key).add("identity", end.identity_file);
  doc.add("connect-ms", static_cast<std::uint64_t>(end.connect_timeout.count()));
  doc.add("idle-ms", static_cast<std::uint64_t>(end.idle_timeout.count()));
  doc.add("probe-ms", static_cast<std::uint64_t>(end.probe.count()));
  doc.add("bytes-per-second", end.bandwidth.bytes_per_second).add("pace-file", end.bandwidth.file);
  if (!end.mark_file.empty()) doc.add("mark-file", end.mark_file);
  doc.add("most-bytes", order.most_bytes).add("command", order.command);
  return doc.write();
}

BridgeOrder parse_order(std::string_view text) {
  const Document doc = Document::parse(text, "bk-bridge");
  BridgeOrder order;
  order.endpoint.address.user = doc.get("user");
  order.endpoint.address.host = doc.get("host");
  order.endpoint.address.port = static_cast<std::uint16_t>(doc.get_number("port", 65535));
  order.endpoint.host_key = doc.get("host-key");
  order.endpoint.identity_file = doc.get("identity");
  order.endpoint.connect_timeout = milliseconds(doc.get_number("connect-ms", INT32_MAX));
  order.endpoint.idle_timeout = milliseconds(doc.get_number("idle-ms", INT32_MAX));
  order.endpoint.probe = milliseconds(doc.get_number("probe-ms", INT32_MAX));
  order.endpoint.bandwidth.bytes_per_second = doc.get_number("bytes-per-second", UINT64_MAX);
  order.endpoint.bandwidth.file = doc.find("pace-file").value_or("");  // empty: no limit
  order.endpoint.mark_file = doc.find("mark-file").value_or("");
  order.most_bytes = doc.get_number("most-bytes", UINT64_MAX);
  order.command = doc.get("command");
  return order;
}

BridgeFiles::BridgeFiles(const BridgeOrder& order)
    : order_(memory_file("bridge-order", write_order(order))), report_(memory_file("bridge-report", "")) {}

std::vector<std::string> BridgeFiles::environment() const {
  return {std::string(kOrderVariable) + "=" + std::to_string(order_.get()),
          std::string(kReportVariable) + "=" + std::to_string(report_.get())};
}

int BridgeFiles::share() const noexcept {
  return ::fcntl(order_.get(), F_SETFD, 0) < 0 || ::fcntl(report_.get(), F_SETFD, 0) < 0 ? 1 : 0;
}

std::optional<Error> BridgeFiles::failure() const {
  const std::string text = read_memory_file(report_.get());
  if (text.empty()) return std::nullopt;
  const Document doc = Document::parse(text, "bk-bridge-report");
  const std::uint64_t status = doc.get_number("status", 255);
  for (const Kind kind : {Kind::Refused, Kind::Protocol, Kind::Config, Kind::Io}) {
    if (static_cast<std::uint64_t>(exit_status(kind)) == status) return Error(kind, doc.get("reason"));
  }
  return Error(Kind::Transient, doc.get("reason"));
}

int run_bridge() {
  const int report = fd_from(kReportVariable);
  try {
    const BridgeOrder order = parse_order(read_memory_file(fd_from(kOrderVariable)));
    ssh::Session session(order.endpoint);
    const std::unique_ptr<ssh::Channel> channel = session.exec(order.command);
    return Bridge{*channel, order.endpoint.idle_timeout, order.most_bytes, {}}.run();
  } catch (const Error& error) {
    Document doc("bk-bridge-report", 1);
    doc.add("status", static_cast<std::uint64_t>(exit_status(error.kind()))).add("reason", error.what());
    const std::string text = doc.write();
    if (::pwrite(report, text.data(), text.size(), 0) < 0) throw;
    return exit_status(error.kind());
  }
}

}  // namespace bk::pull
