// SSH through libssh: one session, exec channels, SFTP; deadlines on everything; one host-key policy.
//
// Policy: the host key must equal the pinned one, exactly; no known_hosts, no system or user configuration,
// no agent, no password; a changed key is noted and not tried again. A session and its channels belong to one
// thread.  Errors: Transient (connect, timeout, cut line), Refused (host key differs, authentication),
// Protocol (the peer broke SSH).
#pragma once

#include "common/ssh/pace.h"

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace bk::ssh {

struct Address {
  std::string user, host;
  std::uint16_t port = 22;
  std::string path;  // of an URL, with its leading '/'; empty for user@host[:port]
};
// "ssh://user@host[:port]/path" with the character rules of docs/protocol/control.md; throws Config with the
// reason.
[[nodiscard]] Address parse_url(std::string_view url);
// "user@host[:port]", "user@[v6]:port".
[[nodiscard]] Address parse_address(std::string_view text);

struct Endpoint {
  Address address;
  std::string host_key;       // "<type> <base64>", as in known_hosts behind the name
  std::string identity_file;  // private key without passphrase
  // Where a changed host key is noted, and looked for before connecting (host_key_mark.h); empty: nowhere.
  std::string mark_file;
  std::chrono::milliseconds connect_timeout{20000};
  std::chrono::milliseconds idle_timeout{60000};  // no byte in either direction
  Bandwidth bandwidth;
  // After this long without a byte the far side's SSH is asked for a sign of life; when it gives none to four
  // in a row, whoever waits for the line gets Transient: within a minute.
  std::chrono::milliseconds probe{10000};
  // Bytes that may be on their way to us on one channel; at most 8 MiB, which become 16 behind a round trip
  // of more than 10 ms.
  std::size_t window = 8U << 20U;
};

class Channel;

class Session {
 public:
  // Connects, checks the host key, authenticates.  NODELAY, AES-256-GCM first, keepalive noticing a dead
  // peer.
  explicit Session(const Endpoint& endpoint);
  ~Session();
  Session(Session&&) noexcept;
  Session& operator=(Session&&) noexcept;
  // Runs a command on the far side; throws Refused when the far side does not start it.  Several channels may
  // run in one session; each keeps the session alive.
  [[nodiscard]] std::unique_ptr<Channel> exec(const std::string& command);
  // Starts a subsystem of the far side ("sftp") instead.
  [[nodiscard]] std::unique_ptr<Channel> subsystem(const std::string& name);
  // False once the line broke: nothing more goes over this session.
  [[nodiscard]] bool alive() const;
  // The shortest time between a question and its answer when channels were opened: a round trip, and what the
  // far side took.
  [[nodiscard]] std::chrono::microseconds round_trip() const;

  struct Impl;

 private:
  friend class Channel;
  friend class Sftp;
  std::shared_ptr<Impl> impl_;
};

class Channel {
 public:
  ~Channel();
  // 1..size bytes, or 0 only at end of file.  Waiting longer than `deadline` throws Transient.
  [[nodiscard]] std::size_t read(void* buffer, std::size_t size, std::chrono::milliseconds deadline);
  // Bytes available now without waiting; 0 may mean none yet (see at_end).
  [[nodiscard]] std::size_t try_read(void* buffer, std::size_t size);
  [[nodiscard]] bool at_end() const;
  // All of it, never more than the peer's window at once; no progress for `deadline` throws Transient.
  void write(std::string_view bytes, std::chrono::milliseconds deadline);
  // Hands over what goes now without waiting and returns how many bytes those were, perhaps 0.  Throws when
  // the far side has closed.  With wait() and try_read() one thread reads and writes at the same time.
  [[nodiscard]] std::size_t try_write(std::string_view bytes);
  struct Ready {
    bool readable = false;  // try_read gives bytes, or at_end() is true
    bool writable = false;  // try_write takes bytes, or throws because the far side closed
  };
  // Waits until one of what was asked for is possible; both false when `deadline` passed.  A cut line throws.
  // A deadline of 0 only looks.
  [[nodiscard]] Ready wait(bool to_read, bool to_write, std::chrono::milliseconds deadline);
  // Waits until everything written was handed to the kernel; false when `deadline` passed or the line broke.
  bool flush(std::chrono::milliseconds deadline);
  void send_eof();
  // Waits for the far side's exit status; nothing when it was killed by a signal or the line broke: that is
  // not success.  Still running at `deadline`: throws Transient.
  [[nodiscard]] std::optional<int> exit_status(std::chrono::milliseconds deadline);
  // What the far side wrote to its standard error so far, at most 64 KiB.
  [[nodiscard]] std::string take_stderr();

  struct Impl;

 private:
  friend class Session;
  friend class Sftp;
  explicit Channel(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// Reading files and directories by SFTP version 3 (draft-ietf-secsh-filexfer-02), pipelined.  What an object
// reads while one call is at work must be read by that call.  Throws as Session; NotFound and Refused for
// what the far side says of one path.
class Sftp {
 public:
  // Over the exec channel `command` (not the subsystem), so that the far side's forced command decides what
  // serves it.
  Sftp(Session& session, const std::string& command);
  // Over the subsystem "sftp": a far side without our agent.
  explicit Sftp(Session& session);
  ~Sftp();
  struct Stat {
    std::uint64_t bytes = 0;
    bool regular = false;
  };
  [[nodiscard]] Stat stat(const std::string& path);
  // Reads [offset, end of file) in order; `sink` gets each piece.  Short answers are normal.
  void read_from(const std::string& path, std::uint64_t offset,
                 const std::function<void(std::string_view)>& sink, std::chrono::milliseconds idle);

  // What the protocol tells of an entry: whole seconds until 2106, no inode, no link count.
  struct Facts {
    std::optional<std::uint32_t> mode;  // with the type's bits, as stat(2) has them; nothing: not told
    std::uint32_t uid = 0, gid = 0;
    std::uint64_t bytes = 0;
    std::int64_t mtime = 0;  // seconds since 1970
    bool operator==(const Facts&) const = default;
  };
  // Of the entry itself, links not followed.
  [[nodiscard]] Facts look_at(const std::string& path);
  // The entries of a directory as the far side orders them, without "." and "..".  Names are bytes that a
  // stranger chose.
  void list(const std::string& path, const std::function<void(std::string name, const Facts& facts)>& sink);
  [[nodiscard]] std::string read_link(const std::string& path);
  // The path without symlinks and "..", as the far side resolves it now.
  [[nodiscard]] std::string real_path(const std::string& path);
  // A number of the file system that holds the path; nothing when the far side cannot tell (OpenSSH's
  // extension "statvfs").
  [[nodiscard]] std::optional<std::uint64_t> file_system(const std::string& path);
  // Up to `bytes` of a file, from its beginning.
  [[nodiscard]] std::string read_beginning(const std::string& path, std::size_t bytes);
  struct Around {
    Facts before, after;  // of the open file
  };
  // A regular file from `offset` to its end, through one handle; what is none by now, or shorter, throws
  // NotFound before `sink` is called.
  Around read_file(const std::string& path, const std::function<void(std::string_view)>& sink,
                   std::uint64_t offset = 0);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace bk::ssh
