#include "client/agent/tree_server.h"

#include "client/agent/beneath.h"
#include "client/agent/line.h"
#include "client/agent/tree_session.h"
#include "common/error/error.h"
#include "common/options/version.h"
#include "common/text/escape.h"
#include "proto/pull/features.h"

#include <fmt/format.h>
#include <malloc.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>

namespace bk::agent {

namespace {

constexpr std::uint32_t kMaxChunk = 1U << 20U;  // of what the server may dictate; our buffers follow it

[[noreturn]] void refuse(Line& line, const std::string& reason) {
  line.send(pull::FrameType::Refused, pull::Refused{reason});
  line.finish();
  throw Error(Kind::Refused, reason);
}

pull::Frame expect(Line& line, pull::FrameType type) {
  pull::Frame frame = line.receive();
  if (frame.type == type) return frame;
  throw Error(Kind::Protocol,
              fmt::format("the server sent {} where {} belongs", frame_name(frame.type), frame_name(type)));
}

struct Greeting {
  ChunkerParams chunker;
  std::vector<std::string> features;  // in use
};

Greeting greet(Line& line, bool stripes) {
  const pull::Hello hello = pull::decode_hello(expect(line, pull::FrameType::Hello).payload);
  if (hello.version != pull::kVersion) {
    refuse(line, fmt::format("the server speaks version {} of the tree protocol and this agent only {}",
                             hello.version, pull::kVersion));
  }
  if (!hello.chunker.valid() || hello.chunker.max_bytes > kMaxChunk)
    refuse(line, "chunks of these sizes are not served");
  if (hello.id_algorithm != kIdAlgorithmSha256 || hello.key_domain != kDomainPlain) {
    refuse(line, "chunk ids of this kind are not known here");
  }
  std::vector<std::string> features = pull::common_features(hello.features);
  if (stripes && pull::has_feature(hello.features, pull::kFeatureStripes))
    features.emplace_back(pull::kFeatureStripes);
  if (pull::has_feature(hello.features, pull::kFeatureUnasked)) features.emplace_back(pull::kFeatureUnasked);
  line.send(pull::FrameType::AgentHello,
            pull::AgentHello{pull::kVersion, features, fmt::format("backup_agent/{}", kVersion)});
  if (pull::has_feature(features, pull::kFeatureHeartbeat)) line.expect_heartbeats();
  return {hello.chunker, std::move(features)};
}

const TreeRoot& find_root(Line& line, const TreeRoots& consented, const std::string& path) {
  const auto root =
      std::find_if(consented.begin(), consented.end(), [&](const TreeRoot& r) { return r.path == path; });
  if (root == consented.end()) refuse(line, fmt::format("{} is not consented to this server", quoted(path)));
  return *root;
}

void fill_context(Line& line, const TreeRoot& root, WalkContext& context) {
  context.root = open_root(root.path);
  if (!context.root) {
    const int error = errno;
    const std::string why = error == ELOOP     ? "a component of it is a symbolic link; name the real path"
                            : error == ENOTDIR ? "it is not a directory"
                                               : system_words(error);
    refuse(line, fmt::format("{} cannot be opened: {}", quoted(root.path), why));
  }
  context.exclude = Patterns(root.exclude);
  context.deny = Patterns(root.deny);
  context.guard_keys = root.guard_keys;
  context.named = root.named;
  context.exclude_if_present = root.exclude_if_present;
  context.exclude_caches = root.exclude_caches;
  context.one_file_system = root.one_file_system;
  context.max_file_bytes = root.max_file_bytes;
  struct stat facts {};
  check_sys(fstat(context.root.get(), &facts), [] { return "asking for the root"; });
  (void)context.devices.of_directory(facts.st_dev, context.root.get());
}

ServeResult serve(Line& line, const TreeRoots& consented, const std::string& temporary,
                  const ServeHooks& hooks, const std::string& server) {
  const Greeting greeting = greet(line, !server.empty());
  const std::string path = pull::decode_open(expect(line, pull::FrameType::Open).payload).root;
  const TreeRoot& root = find_root(line, consented, path);
  WalkContext context(temporary);
  fill_context(line, root, context);
  line.send(pull::FrameType::Opened, pull::Opened{root.exclude.size() + root.deny.size()});
  hooks.begins(path);
  const TreeSession* running = nullptr;
  const auto result = [&] {
    const FileReader& reader = running->reader();
    return ServeResult{path,
                       context.counters.files,
                       context.counters.directories,
                       reader.files(),
                       reader.bytes() + reader.current_bytes(),
                       running->skipped(),
                       context.names.error()};
  };
  context.at_work = [&] { hooks.at_work(result()); };
  TreeSession session(line, context, greeting.chunker, greeting.features, server);
  running = &session;
  session.run();
  return result();
}

}  // namespace

ServeResult serve_tree(const TreeRoots& consented, int in_fd, int out_fd, const Deadlines& deadlines,
                       const std::string& temporary, const ServeHooks& hooks, const std::string& server) {
  // Batches and frames of a megabyte come and go in several threads: without this, glibc keeps their pieces.
  (void)mallopt(M_MMAP_THRESHOLD, 512 << 10);
  (void)mallopt(M_ARENA_MAX, 2);
  (void)mallopt(M_TRIM_THRESHOLD, 2 << 20);  // frames of 300 KiB come all the time
  (void)std::signal(SIGPIPE, SIG_IGN);  // a closed line is an error of write(2), not the end of the process
  Line line(in_fd, out_fd, deadlines);
  try {
    return serve(line, consented, temporary, hooks, server);
  } catch (const Error& error) {
    if (error.kind() == Kind::Refused || error.kind() == Kind::Transient) throw;
    try {  // the server shall know why; if the line is gone, it will see that
      line.send(pull::FrameType::Fail, pull::Fail{static_cast<std::uint8_t>(error.kind()), error.what()});
      line.finish();
    } catch (const Error&) {
    }
    throw;
  }
}

}  // namespace bk::agent
