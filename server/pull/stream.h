// The far side of a pull as a pair of byte streams with an ending: an SSH channel in production, pipes to a
// local process in tests.
#pragma once

#include "common/io/fd.h"
#include "common/process/process.h"

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace bk::ssh {
class Channel;
struct Endpoint;
}  // namespace bk::ssh

namespace bk::pull {

using Millis = std::chrono::milliseconds;

class ByteStream {
 public:
  virtual ~ByteStream() = default;
  // 1..size bytes, or 0 only at the end of the stream.  Nothing for `deadline`: throws Transient.
  [[nodiscard]] virtual std::size_t read(void* buffer, std::size_t size, Millis deadline) = 0;
  // Bytes that are there already; 0 may mean none yet.
  [[nodiscard]] virtual std::size_t try_read(void* buffer, std::size_t size) = 0;
  // True once read() would not wait: bytes or the end are there, or what ended the line.  False when nothing
  // of it happened for `limit`.
  [[nodiscard]] virtual bool wait(Millis limit) = 0;
  // All of it; no progress for `deadline` throws Transient.
  virtual void write(std::string_view bytes, Millis deadline) = 0;
  // After the end of the stream: the far side's exit status, nothing when it did not end by itself.
  [[nodiscard]] virtual std::optional<int> exit_status(Millis deadline) = 0;
  // What the far side said on its standard error, for messages.
  [[nodiscard]] virtual std::string take_stderr() { return {}; }
};

// An exec channel; must outlive the stream.
class ChannelStream final : public ByteStream {
 public:
  explicit ChannelStream(ssh::Channel& channel) : channel_(channel) {}
  [[nodiscard]] std::size_t read(void* buffer, std::size_t size, Millis deadline) override;
  [[nodiscard]] std::size_t try_read(void* buffer, std::size_t size) override;
  [[nodiscard]] bool wait(Millis limit) override;
  void write(std::string_view bytes, Millis deadline) override;
  [[nodiscard]] std::optional<int> exit_status(Millis deadline) override;
  [[nodiscard]] std::string take_stderr() override;

 private:
  ssh::Channel& channel_;
};

// A session of its own with one command, and the stream to it.
class SessionStream final : public ByteStream {
 public:
  SessionStream(const ssh::Endpoint& endpoint, const std::string& command);
  ~SessionStream() override;
  [[nodiscard]] std::size_t read(void* buffer, std::size_t size, Millis deadline) override;
  [[nodiscard]] std::size_t try_read(void* buffer, std::size_t size) override;
  [[nodiscard]] bool wait(Millis limit) override;
  void write(std::string_view bytes, Millis deadline) override;
  [[nodiscard]] std::optional<int> exit_status(Millis deadline) override;

 private:
  std::unique_ptr<ssh::Channel> channel_;  // keeps its session
};

// Two descriptors (pipes, a socket pair), with what tells the exit status of the process behind them.
class PipeStream final : public ByteStream {
 public:
  using Status = std::function<std::optional<int>(Millis)>;
  PipeStream(Fd from, Fd to, Status status)
      : from_(std::move(from)), to_(std::move(to)), status_(std::move(status)) {}
  [[nodiscard]] std::size_t read(void* buffer, std::size_t size, Millis deadline) override;
  [[nodiscard]] std::size_t try_read(void* buffer, std::size_t size) override;
  [[nodiscard]] bool wait(Millis limit) override;
  void write(std::string_view bytes, Millis deadline) override;
  [[nodiscard]] std::optional<int> exit_status(Millis deadline) override;

 private:
  Fd from_, to_;
  Status status_;
};

}  // namespace bk::pull
