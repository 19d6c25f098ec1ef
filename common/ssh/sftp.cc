#include "common/ssh/internal.h"
#include "common/text/escape.h"

#include <fcntl.h>
#include <libssh/sftp.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <limits>
#include <mutex>
#include <thread>
#include <vector>

namespace bk::ssh {
namespace {

constexpr std::uint32_t kPieceBytes = 64U << 10U;  // a server answers up to 255 KiB at once
// Questions in flight: few for a short file, and one more with each answer until 6 MiB are on their way.
constexpr std::size_t kFirstInFlight = 16, kMostInFlight = 96;
// Silence that ends a read; with up to twice this until it is looked at, a vanished far side costs a minute.
constexpr std::chrono::seconds kLongestSilence{30};

// libssh's SFTP waits inside sftp_packet_read for the rest of a message, and repeats that for ever when the
// peer is frozen (0.10.6 takes "0 bytes in time" for "go on").  So a second thread shuts the socket when
// nothing happened in time; the read then ends with "Socket error: disconnected".
class Watchdog {
 public:
  Watchdog(int fd, std::chrono::milliseconds limit)
      : limit_(limit), thread_([this, fd](const std::stop_token& stop) { run(stop, fd); }) {}
  // While our own side is busy, silence is not the peer's.
  void sleep(bool asleep) {
    const std::lock_guard hold(mutex_);
    asleep_ = asleep;
    ++meals_;
  }
  [[nodiscard]] bool bit() {
    const std::lock_guard hold(mutex_);
    return bit_;
  }

 private:
  void run(const std::stop_token& stop, int fd) {
    std::unique_lock hold(mutex_);
    while (!stop.stop_requested()) {
      const std::uint64_t seen = meals_;
      if (wake_.wait_for(hold, stop, limit_, [&] { return stop.stop_requested(); })) return;
      if (stop.stop_requested() || meals_ != seen || asleep_) continue;
      bit_ = true;
      (void)::shutdown(fd, SHUT_RDWR);
      return;
    }
  }

  std::chrono::milliseconds limit_;
  std::mutex mutex_;
  std::condition_variable_any wake_;
  std::uint64_t meals_ = 0;
  bool asleep_ = false;
  bool bit_ = false;
  std::jthread thread_;
};

using SftpSession = Handle<sftp_session_struct, sftp_free>;
using SftpFile = Handle<sftp_file_struct, sftp_close>;
using SftpDirectory = Handle<sftp_dir_struct, sftp_closedir>;
using Attributes = Handle<sftp_attributes_struct, sftp_attributes_free>;
using FileSystem = Handle<sftp_statvfs_struct, sftp_statvfs_free>;
using Text = Handle<char, ssh_string_free_char>;

Sftp::Facts facts_of(const sftp_attributes_struct& found) {
  Sftp::Facts out;
  if ((found.flags & SSH_FILEXFER_ATTR_PERMISSIONS) != 0) out.mode = found.permissions;
  out.uid = found.uid;
  out.gid = found.gid;
  out.bytes = found.size;
  out.mtime = found.mtime;
  return out;
}

bool is_regular(const Sftp::Facts& facts) { return facts.mode && (*facts.mode & S_IFMT) == S_IFREG; }

}  // namespace

struct Sftp::Impl {
  std::unique_ptr<Channel> channel;  // its callbacks outlive the SFTP session
  std::shared_ptr<Session::Impl> session;
  SftpSession sftp;

  // sftp_free frees the channel of libssh.
  void take_channel() {
    sftp.reset(sftp_new_channel(session->session.get(), channel->impl_->channel.get()));
    if (!sftp) throw session->broken("starting SFTP");
    (void)channel->impl_->channel.release();
    channel->impl_->received.pause(true);  // libssh reads for itself; the far side does not speak first
  }
  ~Impl() {
    if (sftp) channel->impl_->forget(sftp->channel);
    sftp.reset();  // before the callbacks and the session
  }

  // Runs blocking SFTP calls under the watchdog.
  template <class Body>
  auto guarded(std::chrono::milliseconds idle, Body&& body) {
    struct Blocking {
      ssh_session s;
      explicit Blocking(ssh_session session_in) : s(session_in) { ssh_set_blocking(s, 1); }
      ~Blocking() { ssh_set_blocking(s, 0); }
    };
    const Blocking mode(session->session.get());
    Watchdog dog(ssh_get_fd(session->session.get()),
                 std::min<std::chrono::milliseconds>(idle, kLongestSilence));
    try {
      return body(dog);
    } catch (const Error&) {
      if (dog.bit()) throw session->timed_out("reading by SFTP");
      throw;
    }
  }

  [[nodiscard]] Error failed(const std::string& path, std::string_view doing) const {
    const std::string what = std::string(doing) + " " + quoted(path);
    if (!session->alive()) return session->broken(what);
    const std::string text = session->where + ": " + what + ": ";
    switch (sftp_get_error(sftp.get())) {
      case SSH_FX_NO_SUCH_FILE:
        return {Kind::NotFound, text + "no such file"};
      case SSH_FX_PERMISSION_DENIED:
        return {Kind::Refused, text + "permission denied"};
      default:
        return {Kind::Transient, text + "SFTP error " + std::to_string(sftp_get_error(sftp.get()))};
    }
  }

  void start(std::unique_ptr<Channel> over);
  [[nodiscard]] SftpFile open_file(const std::string& path) const;
  [[nodiscard]] Facts facts(sftp_file file, const std::string& path) const;
  // Bytes from `offset` on, `most` at most.
  void stream(sftp_file file, const std::string& path, std::uint64_t offset, std::uint64_t most,
              Watchdog& dog, const std::function<void(std::string_view)>& sink);
};

namespace {

// Questions in flight for one file, answered in order.
class Pipeline {
 public:
  // Asks for nothing at or behind `end`.
  Pipeline(sftp_file file, std::uint64_t offset, std::uint64_t end) : file_(file), next_(offset), end_(end) {}

  [[nodiscard]] bool fill() {
    while (asked_.size() < most_ && next_ < end_) {
      const auto piece = static_cast<std::uint32_t>(std::min<std::uint64_t>(kPieceBytes, end_ - next_));
      const int id = sftp_async_read_begin(file_, piece);
      if (id < 0) return false;
      asked_.push_back({static_cast<std::uint32_t>(id), piece, next_});
      next_ += piece;
    }
    return true;
  }
  // Bytes of the next answer, 0 at end of file, negative when it failed; a short one is followed by go_to().
  [[nodiscard]] int take(std::vector<char>& buffer) {
    const Asked asked = asked_.front();
    const int got = sftp_async_read(file_, buffer.data(), asked.bytes, asked.id);
    at_ = asked.offset + static_cast<std::uint64_t>(std::max(got, 0));
    short_ = got < 0 || static_cast<std::uint32_t>(got) < asked.bytes;
    asked_.pop_front();
    most_ = std::min(most_ + 1, kMostInFlight);
    return got;
  }
  // The last answer held less than was asked for.
  [[nodiscard]] bool was_short() const { return short_; }
  [[nodiscard]] bool at_end() const { return at_ >= end_; }
  [[nodiscard]] std::uint64_t at() const { return at_; }
  // Takes and forgets what is in flight, then goes on at `offset`.  libssh 0.10 reads a packet before it
  // looks among those it has already got, so a second, plain read beside ours would steal answers and wait
  // for ever.
  [[nodiscard]] bool go_to(std::uint64_t offset, std::vector<char>& buffer) {
    while (!asked_.empty()) {
      (void)sftp_seek64(file_, next_);  // forgets the end of file that an earlier answer reported
      if (take(buffer) < 0) return false;
    }
    next_ = offset;
    return sftp_seek64(file_, offset) == 0;
  }

 private:
  struct Asked {
    std::uint32_t id, bytes;
    std::uint64_t offset;
  };
  sftp_file file_;
  std::uint64_t next_, end_;
  std::uint64_t at_ = 0;
  std::size_t most_ = kFirstInFlight;
  bool short_ = false;
  std::deque<Asked> asked_;
};

}  // namespace

SftpFile Sftp::Impl::open_file(const std::string& path) const {
  SftpFile file(sftp_open(sftp.get(), path.c_str(), O_RDONLY, 0));
  if (!file) throw failed(path, "opening");
  return file;
}

Sftp::Facts Sftp::Impl::facts(sftp_file file, const std::string& path) const {
  const Attributes found(sftp_fstat(file));
  if (!found) throw failed(path, "looking at");
  return facts_of(*found);
}

void Sftp::Impl::stream(sftp_file file, const std::string& path, std::uint64_t offset, std::uint64_t most,
                        Watchdog& dog, const std::function<void(std::string_view)>& sink) {
  if (most == 0) return;
  std::vector<char> buffer(kPieceBytes);
  const std::uint64_t room = std::numeric_limits<std::uint64_t>::max() - offset;
  Pipeline pipeline(file, offset, offset + std::min(most, room));
  Window window;
  if (!pipeline.go_to(offset, buffer)) throw failed(path, "seeking in");
  for (;;) {
    if (!pipeline.fill()) throw failed(path, "reading");
    const int got = pipeline.take(buffer);
    if (got < 0) throw failed(path, "reading");
    dog.sleep(true);
    if (got > 0) sink({buffer.data(), static_cast<std::size_t>(got)});
    if (!session->pace) window.was_read(sftp->channel, static_cast<std::size_t>(std::max(got, 0)));
    session->keep_pace();
    dog.sleep(false);
    if (pipeline.at_end()) return;
    // A short answer is normal, and not yet the end: only an answer without bytes is.
    const std::uint64_t at = pipeline.at();
    if (pipeline.was_short() && !pipeline.go_to(at, buffer)) throw failed(path, "reading");
    if (got == 0) return;
  }
}

void Sftp::Impl::start(std::unique_ptr<Channel> over) {
  channel = std::move(over);
  take_channel();
  guarded(session->idle, [&](Watchdog&) {
    if (sftp_init(sftp.get()) == 0) return;
    std::string text = session->where + ": starting SFTP";
    if (const std::string errors = channel->take_stderr(); !errors.empty())
      text += ": " + quoted(errors.substr(0, 300));
    const std::optional<int> status = channel->impl_->status;
    if (status) text += ": the far side ended with exit status " + std::to_string(*status);
    throw Error(status == kExitRefused ? Kind::Refused : Kind::Transient, text);
  });
}

Sftp::Sftp(Session& session, const std::string& command) : impl_(std::make_unique<Impl>()) {
  impl_->session = session.impl_;
  impl_->start(session.exec(command));
}

Sftp::Sftp(Session& session) : impl_(std::make_unique<Impl>()) {
  impl_->session = session.impl_;
  impl_->start(session.subsystem("sftp"));
}

Sftp::~Sftp() = default;

Sftp::Stat Sftp::stat(const std::string& path) {
  return impl_->guarded(impl_->session->idle, [&](Watchdog&) {
    // By handle: the agent serves no look at a path, which would tell what else lies on the client.
    const SftpFile file = impl_->open_file(path);
    const Facts found = impl_->facts(file.get(), path);
    return Stat{found.bytes, is_regular(found)};
  });
}

void Sftp::read_from(const std::string& path, std::uint64_t offset,
                     const std::function<void(std::string_view)>& sink, std::chrono::milliseconds idle) {
  impl_->guarded(idle, [&](Watchdog& dog) {
    const SftpFile file = impl_->open_file(path);
    impl_->stream(file.get(), path, offset, std::numeric_limits<std::uint64_t>::max(), dog, sink);
  });
}

Sftp::Facts Sftp::look_at(const std::string& path) {
  return impl_->guarded(impl_->session->idle, [&](Watchdog&) {
    const Attributes found(sftp_lstat(impl_->sftp.get(), path.c_str()));
    if (!found) throw impl_->failed(path, "looking at");
    return facts_of(*found);
  });
}

void Sftp::list(const std::string& path,
                const std::function<void(std::string name, const Facts& facts)>& sink) {
  impl_->guarded(impl_->session->idle, [&](Watchdog& dog) {
    const SftpDirectory directory(sftp_opendir(impl_->sftp.get(), path.c_str()));
    if (!directory) throw impl_->failed(path, "listing");
    while (const Attributes found{sftp_readdir(impl_->sftp.get(), directory.get())}) {
      dog.sleep(true);
      impl_->session->keep_pace();
      dog.sleep(false);
      const std::string name = found->name == nullptr ? "" : found->name;
      if (name != "." && name != "..") sink(name, facts_of(*found));
    }
    if (sftp_dir_eof(directory.get()) == 0) throw impl_->failed(path, "listing");
  });
}

std::string Sftp::read_link(const std::string& path) {
  return impl_->guarded(impl_->session->idle, [&](Watchdog&) {
    const Text target(sftp_readlink(impl_->sftp.get(), path.c_str()));
    if (!target) throw impl_->failed(path, "reading the link");
    return std::string(target.get());
  });
}

std::string Sftp::real_path(const std::string& path) {
  return impl_->guarded(impl_->session->idle, [&](Watchdog&) {
    const Text real(sftp_canonicalize_path(impl_->sftp.get(), path.c_str()));
    if (!real) throw impl_->failed(path, "resolving");
    return std::string(real.get());
  });
}

std::optional<std::uint64_t> Sftp::file_system(const std::string& path) {
  if (sftp_extension_supported(impl_->sftp.get(), "statvfs@openssh.com", "2") == 0) return std::nullopt;
  return impl_->guarded(impl_->session->idle, [&](Watchdog&) {
    const FileSystem found(sftp_statvfs(impl_->sftp.get(), path.c_str()));
    if (!found) throw impl_->failed(path, "asking for the file system of");
    return std::optional<std::uint64_t>(found->f_fsid);
  });
}

std::string Sftp::read_beginning(const std::string& path, std::size_t bytes) {
  return impl_->guarded(impl_->session->idle, [&](Watchdog& dog) {
    const SftpFile file = impl_->open_file(path);
    std::string out;
    if (is_regular(impl_->facts(file.get(), path)))
      impl_->stream(file.get(), path, 0, bytes, dog, [&](std::string_view piece) { out += piece; });
    return out;
  });
}

Sftp::Around Sftp::read_file(const std::string& path, const std::function<void(std::string_view)>& sink,
                             std::uint64_t offset) {
  return impl_->guarded(impl_->session->idle, [&](Watchdog& dog) {
    const SftpFile file = impl_->open_file(path);
    Around out;
    out.before = impl_->facts(file.get(), path);
    if (!is_regular(out.before) || out.before.bytes < offset)
      throw Error(Kind::NotFound, impl_->session->where + ": " + quoted(path) +
                                      " is no regular file of that length any more");
    impl_->stream(file.get(), path, offset, out.before.bytes - offset, dog, sink);
    out.after = impl_->facts(file.get(), path);
    return out;
  });
}

}  // namespace bk::ssh
