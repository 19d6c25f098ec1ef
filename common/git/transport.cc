#include "common/git/transport.h"

#include <algorithm>
#include <new>

namespace bk::git {
namespace {

// libgit2 knows these by their first member; each is freed by libgit2 through its own free function.
struct Stream {
  git_smart_subtransport_stream base{};
  Conversation* conversation = nullptr;
};
struct Subtransport {
  git_smart_subtransport base{};
  Conversation* conversation = nullptr;
  git_smart_subtransport_stream* stream = nullptr;
};

Conversation& of(git_smart_subtransport_stream* stream) {
  return *reinterpret_cast<Stream*>(stream)->conversation;
}

int on_read(git_smart_subtransport_stream* stream, char* buffer, std::size_t size,
            std::size_t* got) noexcept {
  *got = 0;
  return of(stream).guarded([&] { *got = of(stream).read(buffer, size); });
}

int on_write(git_smart_subtransport_stream* stream, const char* buffer, std::size_t size) noexcept {
  return of(stream).guarded([&] { of(stream).write(buffer, size); });
}

void on_stream_free(git_smart_subtransport_stream* stream) noexcept {
  delete reinterpret_cast<Stream*>(stream);
}

int on_action(git_smart_subtransport_stream** out, git_smart_subtransport* base, const char*,
              git_smart_service_t service) noexcept {
  auto* self = reinterpret_cast<Subtransport*>(base);
  return self->conversation->guarded([&] {
    if (service == GIT_SERVICE_UPLOADPACK_LS || service == GIT_SERVICE_RECEIVEPACK_LS) {
      auto stream = std::make_unique<Stream>();
      stream->base = {base, on_read, on_write, on_stream_free};
      stream->conversation = self->conversation;
      self->conversation->open(service);
      self->stream = &stream.release()->base;
    }
    if (self->stream == nullptr) throw Error(Kind::Protocol, "git asked for data before the refs");
    *out = self->stream;  // the same channel goes on after the refs
  });
}

int on_close(git_smart_subtransport* base) noexcept {
  reinterpret_cast<Subtransport*>(base)->conversation->close();
  return 0;
}

void on_free(git_smart_subtransport* base) noexcept { delete reinterpret_cast<Subtransport*>(base); }

int make_subtransport(git_smart_subtransport** out, git_transport*, void* conversation) noexcept {
  auto* self = new (std::nothrow) Subtransport;
  if (self == nullptr) return -1;
  self->base = {on_action, on_close, on_free};
  self->conversation = static_cast<Conversation*>(conversation);
  *out = &self->base;
  return 0;
}

// The far side's shell or gate sees one word.  common/ssh refuses quotes in paths already.
std::string shell_quoted(const std::string& path) {
  std::string out = "'";
  for (const char c : path) {
    if (c == '\'' || c == '!') {
      out += std::string("'\\") + c + "'";
    } else {
      out += c;
    }
  }
  return out + "'";
}

}  // namespace

Conversation::Conversation(ssh::Session& session, std::string path, Duration idle, Duration total)
    : session_(session),
      path_(std::move(path)),
      idle_(idle),
      end_(std::chrono::steady_clock::now() + total) {}

int Conversation::make_transport(git_transport** out, git_remote* owner, void* self) noexcept {
  git_smart_subtransport_definition definition{make_subtransport, 0, self};
  return git_transport_smart(out, owner, &definition);
}

Conversation::Duration Conversation::limit() const {
  const auto left = std::chrono::ceil<Duration>(end_ - std::chrono::steady_clock::now());
  if (left <= Duration::zero())
    throw Error(Kind::Transient, "talking git with the far side took longer than allowed");
  return std::min(idle_, left);
}

void Conversation::open(git_smart_service_t service) {
  const bool push = service == GIT_SERVICE_RECEIVEPACK_LS || service == GIT_SERVICE_RECEIVEPACK;
  channel_ = session_.exec((push ? "git-receive-pack " : "git-upload-pack ") + shell_quoted(path_));
}

std::size_t Conversation::read(char* buffer, std::size_t size) {
  return channel_->read(buffer, size, limit());
}

void Conversation::write(const char* buffer, std::size_t size) {
  const std::string_view bytes(buffer, size);
  try {
    channel_->write(bytes, limit());
  } catch (const Error&) {
    // libgit2 takes leave with a flush packet from a far side that may have left already.  Where a flush
    // matters, an answer is read next, and fails.
    if (bytes != "0000") throw;
  }
}

// Waits until the far side has ended: only then have its hooks run.  That can neither fail nor make a push
// fail: what the far side reported before stands.
void Conversation::close() noexcept {
  if (!channel_) return;
  try {
    channel_->send_eof();
    char rest[4096];
    if (!guard_.failed()) {
      while (channel_->read(rest, sizeof rest, limit()) > 0) {
      }
    }
    // After a failure only what came already counts: a frozen peer has used up its time.
    status_ = channel_->exit_status(guard_.failed() ? Duration(200) : limit());
  } catch (const std::exception&) {  // no status: status_ stays empty
  }
  errors_ += channel_->take_stderr();
  channel_.reset();
}

}  // namespace bk::git
