#include "common/error/error.h"
#include "common/io/file.h"
#include "common/path/names.h"
#include "common/text/escape.h"
#include "server/bkdb/commands.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>

namespace bk::bkdb {
namespace {

constexpr std::chrono::milliseconds kAskWithin{60000};  // the client speaks first
constexpr std::chrono::milliseconds kProgressWithin{
    600000};  // a client that takes nothing for so long is gone

void wait_for(int fd, short events, std::chrono::milliseconds limit, const char* what) {
  pollfd poll{fd, events, 0};
  for (;;) {
    const int n = ::poll(&poll, 1, static_cast<int>(limit.count()));
    if (n > 0) return;
    if (n == 0) throw Error(Kind::Transient, what);
    if (errno != EINTR) throw sys_error(errno, "waiting for the client");
  }
}

// The client's next message; nothing may come behind it before it was answered.
std::string read_frame(restore::FrameType type, std::chrono::milliseconds within, const char* silent) {
  restore::FrameDecoder frames;
  std::array<char, 4096> buffer{};
  for (;;) {
    wait_for(STDIN_FILENO, POLLIN, within, silent);
    const ssize_t n = ::read(STDIN_FILENO, buffer.data(), buffer.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) throw sys_error(errno, "reading what the client asks");
    if (n == 0) throw Error(Kind::Protocol, "the client went away");
    frames.feed({buffer.data(), static_cast<std::size_t>(n)});
    std::optional<restore::Frame> frame = frames.next();
    if (!frame) continue;
    if (frame->type != type || !frames.empty())
      throw Error(Kind::Protocol, "the client says something else than what it was to say");
    return std::move(frame->payload);
  }
}

restore::Ask read_ask() {
  return restore::decode_ask(
      read_frame(restore::FrameType::Ask, kAskWithin, "the client asked for nothing within a minute"));
}

// It reads and hashes up to a window's content first.
std::string read_keep() {
  return read_frame(restore::FrameType::Keep, kProgressWithin, "the client does not say what it has");
}

// Never waits for longer than a client may stand still.
void write_out(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(STDOUT_FILENO, bytes.data(), bytes.size());
    if (n > 0) {
      bytes.remove_prefix(static_cast<std::size_t>(n));
    } else if (errno == EAGAIN) {
      wait_for(STDOUT_FILENO, POLLOUT, kProgressWithin, "the client takes nothing any more");
    } else if (errno != EINTR) {
      throw sys_error(errno, "writing to the client");
    }
  }
}

using Command = int (*)(Session&, const Words&);
Command command_of(const std::string& name) {
  if (name == "ls") return run_ls;
  if (name == "files") return run_files;
  if (name == "find") return run_find;
  throw Error(Kind::Refused, quoted(name) + " is not for clients; there are ls, files, find and export");
}

// As if the words had been typed at the home, with the client's own filter.
Options options_of(const restore::Ask& ask, const std::string& home, const std::string& client) {
  std::vector<std::string> words = {"bkdb", "--home", home, "-C", home, "--client", client};
  for (const std::string& path : ask.paths) words.push_back("--path=" + path);
  if (!ask.module.empty()) words.push_back("--module=" + ask.module);
  if (!ask.method.empty()) words.push_back("--method=" + ask.method);
  if (ask.json) words.emplace_back("--json");
  words.emplace_back("--");
  words.push_back(ask.command);
  words.insert(words.end(), ask.words.begin(), ask.words.end());
  std::vector<const char*> argv;
  for (const std::string& word : words) argv.push_back(word.c_str());
  Options options("bkdb", "");
  declare_options(options);
  if (!options.parse(static_cast<int>(argv.size()), argv.data())) throw Error(Kind::Usage, "no command");
  return options;
}

int answer(const restore::Ask& ask, const Options& options, const char* argv0, restore::StreamWriter& out) {
  Session session(options, argv0, true);
  if (ask.command == "export") return send_restore_stream(session, ask.words, out);
  const Command command = command_of(ask.command);
  print_to([&](std::string_view text) { out.text(text); });
  const int status = command(session, ask.words);
  print_to({});
  return status;
}

}  // namespace

int run_serve(const Options& options, const char* argv0) {
  const std::string home = find_home(options, argv0);
  const std::string client = options.get("client").value_or("");
  require_safe_name("client", client);
  (void)::fcntl(STDOUT_FILENO, F_SETFL, ::fcntl(STDOUT_FILENO, F_GETFL) | O_NONBLOCK);
  restore::StreamWriter out(write_out, "bkdb");
  try {
    const restore::Ask ask = read_ask();
    if (ask.keeps) out.offer(read_keep);
    const int status = answer(ask, options_of(ask, home, client), argv0, out);
    out.done(status);
    return status;
  } catch (const Error& error) {
    print_to({});
    out.fail(exit_status(error.kind()), error.what());
    return exit_status(error.kind());
  }
}

}  // namespace bk::bkdb
