#include "common/git/remote.h"

#include "common/git/transport.h"
#include "common/text/escape.h"

#include <algorithm>
#include <cstring>
#include <optional>

namespace bk::git {
namespace {

using RemoteHandle = Handle<git_remote, git_remote_free>;

// Everything the callbacks of one fetch or push need.
struct Job {
  Conversation conversation;
  std::uint64_t max_bytes;
  bool too_large = false;
  std::string said;  // what hooks printed, for people
  int answers = 0;
  std::optional<std::string> refusal;
};

int on_progress(const git_indexer_progress* stats, void* payload) noexcept {
  auto* job = static_cast<Job*>(payload);
  if (stats->received_bytes <= job->max_bytes) return 0;
  job->too_large = true;
  git_error_set_str(GIT_ERROR_NET, "the far side sent more than allowed");
  return -1;
}

int on_words(const char* text, int size, void* payload) noexcept {
  auto* job = static_cast<Job*>(payload);
  constexpr std::size_t kMaxSaid = 16U << 10U;
  const std::size_t room = kMaxSaid - std::min(kMaxSaid, job->said.size());
  return job->conversation.guarded(
      [&] { job->said.append(text, std::min(room, static_cast<std::size_t>(std::max(size, 0)))); });
}

int on_update(const char*, const char* status, void* payload) noexcept {
  auto* job = static_cast<Job*>(payload);
  ++job->answers;
  return job->conversation.guarded([&] {
    if (status != nullptr) job->refusal = status;
  });
}

int on_transport(git_transport** out, git_remote* owner, void* payload) noexcept {
  return Conversation::make_transport(out, owner, &static_cast<Job*>(payload)->conversation);
}

git_remote_callbacks callbacks_for(Job& job) {
  git_remote_callbacks out;
  check_git(git_remote_init_callbacks(&out, GIT_REMOTE_CALLBACKS_VERSION), [] { return "talking git"; });
  out.transport = on_transport;
  out.payload = &job;
  return out;
}

// The last lines of what the far side said, as one line.
std::string tail_of(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '\n' || c == '\r') {
      if (!out.empty() && out.back() != ' ') out += ' ';
    } else if (c >= ' ' && c <= '~') {
      out += c;
    } else {
      out += '?';
    }
  }
  while (!out.empty() && out.back() == ' ') out.pop_back();
  constexpr std::size_t kShown = 400;
  return out.size() > kShown ? "…" + out.substr(out.size() - kShown) : out;
}

// The far side's ref stands elsewhere than it told us: a lost race, not a rule.
bool is_race(const std::string& reason) {
  for (const char* part : {"non-fast-forward", "fetch first", "failed to update ref", "failed to lock",
                           "cannot lock ref", "reference already exists", "incorrect old value"})
    if (reason.find(part) != std::string::npos) return true;
  return false;
}

}  // namespace

struct Remote::Impl {
  ssh::Endpoint endpoint;
  RemoteLimits limits;
  std::string url;
  std::optional<ssh::Session> session;

  ssh::Session& connected() {
    if (!session || !session->alive()) {
      session.reset();
      session.emplace(endpoint);
    }
    return *session;
  }
  Job job() {
    return {Conversation(connected(), endpoint.address.path, limits.idle, limits.total),
            limits.fetched_bytes,
            false,
            {},
            0,
            {}};
  }
  // How a failed call ended, as an Error with all that is known.
  Error failure(Job& job, int code, std::string_view doing) {
    const Error said = git_failure(code, doing);
    std::string text = url + ": " + said.what();
    Kind kind = said.kind();
    try {
      job.conversation.rethrow();
    } catch (const Error& error) {
      kind = error.kind();
      text = std::string(doing) + ": " + error.what();
    }
    if (job.too_large) kind = Kind::Protocol;
    const std::optional<int> status = job.conversation.exit_status();
    if (status && *status != 0) {
      text += "; the far side ended with exit status " + std::to_string(*status);
      if (*status == kExitRefused) kind = Kind::Refused;
    }
    const std::string words = tail_of(job.conversation.far_errors() + job.said);
    if (!words.empty()) text += ": it said \"" + words + "\"";
    // Whatever broke, the next try begins with a new line.
    session.reset();
    return {kind, text};
  }
};

Remote::Remote(const ssh::Endpoint& endpoint, const RemoteLimits& limits) : impl_(std::make_unique<Impl>()) {
  ensure_started();
  impl_->endpoint = endpoint;
  impl_->limits = limits;
  const ssh::Address& a = endpoint.address;
  const bool v6 = a.host.find(':') != std::string::npos;
  impl_->url =
      "ssh://" + a.user + "@" + (v6 ? "[" + a.host + "]" : a.host) + ":" + std::to_string(a.port) + a.path;
}

Remote::~Remote() = default;

std::map<std::string, Oid> Remote::fetch(Repository& into, const std::vector<std::string>& wanted) {
  Job job = impl_->job();
  const auto check = [&](int code, std::string_view doing) {
    if (code < 0) throw impl_->failure(job, code, doing);
  };
  RemoteHandle remote;
  check(git_remote_create_anonymous(Out(remote), into.raw(), impl_->url.c_str()), "fetching");
  git_fetch_options options;
  check(git_fetch_options_init(&options, GIT_FETCH_OPTIONS_VERSION), "fetching");
  options.callbacks = callbacks_for(job);
  options.callbacks.transfer_progress = on_progress;
  options.callbacks.sideband_progress = on_words;
  options.download_tags = GIT_REMOTE_DOWNLOAD_TAGS_NONE;
  options.update_fetchhead = 0;
  const auto run = [&](int code, std::string_view doing) {
    if (code >= 0) return;
    (void)git_remote_disconnect(remote.get());
    check(code, doing);
  };
  run(git_remote_connect(remote.get(), GIT_DIRECTION_FETCH, &options.callbacks, nullptr, nullptr),
      "fetching");
  const git_remote_head** heads = nullptr;
  std::size_t count = 0;
  run(git_remote_ls(&heads, &count, remote.get()), "listing refs");
  std::map<std::string, Oid> out;
  std::vector<std::string> specs;
  for (std::size_t i = 0; i < count; ++i) {
    Oid id;
    std::memcpy(id.bytes.data(), heads[i]->oid.id, id.bytes.size());
    out[heads[i]->name] = id;
    if (std::find(wanted.begin(), wanted.end(), heads[i]->name) != wanted.end())
      specs.emplace_back(heads[i]->name);
  }
  std::vector<char*> plain;
  for (std::string& spec : specs) plain.push_back(spec.data());
  const git_strarray list{plain.data(), plain.size()};
  if (!plain.empty()) run(git_remote_download(remote.get(), &list, &options), "fetching");
  (void)git_remote_disconnect(remote.get());
  return out;
}

PushAnswer Remote::push(Repository& from, const std::string& local, const std::string& remote_ref) {
  using Result = PushAnswer::Result;
  Job job = impl_->job();
  RemoteHandle remote;
  check_git(git_remote_create_anonymous(Out(remote), from.raw(), impl_->url.c_str()),
            [] { return "pushing"; });
  git_push_options options;
  check_git(git_push_options_init(&options, GIT_PUSH_OPTIONS_VERSION), [] { return "pushing"; });
  options.pb_parallelism = 1;
  options.callbacks = callbacks_for(job);
  options.callbacks.sideband_progress = on_words;
  options.callbacks.push_update_reference = on_update;
  std::string spec = local + ":" + remote_ref;
  char* specs[] = {spec.data()};
  const git_strarray list{specs, 1};
  const int code = git_remote_push(remote.get(), &list, &options);
  (void)git_remote_disconnect(remote.get());
  if (code == GIT_ENONFASTFORWARD)
    return {Result::Behind, "the far side has commits that we lack", Kind::Transient};
  if (code < 0) {
    const Error error = impl_->failure(job, code, "pushing");
    return {Result::Unknown, error.what(), error.kind()};
  }
  if (job.refusal) {
    const std::string reason = tail_of(*job.refusal + (job.said.empty() ? "" : ": " + job.said));
    return {is_race(*job.refusal) ? Result::Behind : Result::Refused, reason, Kind::Refused};
  }
  // 0 without exactly one answer is what an old server, or one without report-status, leads to.
  if (job.answers != 1)
    return {Result::Unknown, impl_->url + ": pushing: the far side reported nothing", Kind::Transient};
  return {Result::Accepted, tail_of(job.said), Kind::Transient};
}

}  // namespace bk::git
