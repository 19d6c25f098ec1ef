// An agent played from a script, and a stream that remembers what passes: for hostile agents, cuts and
// transcripts.
#pragma once

#include "proto/pull/messages.h"
#include "server/pull/stream.h"

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace bk::test {

// Says `script` whatever it hears, then ends with `status`.
class ScriptStream final : public pull::ByteStream {
 public:
  explicit ScriptStream(std::string script, std::optional<int> status = 0)
      : script_(std::move(script)), status_(status) {}
  [[nodiscard]] std::size_t read(void* buffer, std::size_t size, pull::Millis) override;
  [[nodiscard]] std::size_t try_read(void* buffer, std::size_t size) override {
    return read(buffer, size, {});
  }
  [[nodiscard]] bool wait(pull::Millis) override { return true; }
  void write(std::string_view bytes, pull::Millis) override { heard_ += bytes; }
  [[nodiscard]] std::optional<int> exit_status(pull::Millis) override { return status_; }
  [[nodiscard]] const std::string& heard() const { return heard_; }

 private:
  std::string script_, heard_;
  std::optional<int> status_;
  std::size_t at_ = 0;
};

// Passes everything through and keeps a copy of both directions.
class RecordingStream final : public pull::ByteStream {
 public:
  explicit RecordingStream(pull::ByteStream& inner) : inner_(inner) {}
  [[nodiscard]] std::size_t read(void* buffer, std::size_t size, pull::Millis deadline) override;
  [[nodiscard]] std::size_t try_read(void* buffer, std::size_t size) override;
  [[nodiscard]] bool wait(pull::Millis limit) override { return inner_.wait(limit); }
  void write(std::string_view bytes, pull::Millis deadline) override;
  [[nodiscard]] std::optional<int> exit_status(pull::Millis deadline) override {
    return inner_.exit_status(deadline);
  }
  [[nodiscard]] const std::string& from_agent() const { return from_agent_; }
  [[nodiscard]] const std::string& from_server() const { return from_server_; }

 private:
  pull::ByteStream& inner_;
  std::string from_agent_, from_server_;
};

// Builds an agent's script frame by frame.
class AgentScript {
 public:
  // Begins with AgentHello and Opened.
  explicit AgentScript(std::vector<std::string> features = {});
  template <class Message>
  AgentScript& say(pull::FrameType type, const Message& message) {
    return say_payload(type, pull::encode(message));
  }
  AgentScript& say_payload(pull::FrameType type, std::string_view payload);
  AgentScript& enter(const std::string& name);
  AgentScript& leave(std::uint64_t entries = 0);
  // One page with the right digest when it is the last, as one page of a directory must have it.
  AgentScript& page(std::uint64_t number, std::uint64_t directory, const std::vector<Entry>& entries,
                    bool last = true);
  AgentScript& recipe(std::uint64_t batch, std::vector<pull::RecipeItem> items);
  AgentScript& group(std::uint64_t batch, const std::string& content);
  AgentScript& done();
  AgentScript& raw(std::string_view bytes);
  [[nodiscard]] const std::string& bytes() const { return bytes_; }

 private:
  std::string bytes_;
  std::uint64_t frames_ = 0, leaves_ = 0;
};

[[nodiscard]] Entry script_file(const std::string& name, std::uint64_t size);

// Where frames end in a recorded stream.
[[nodiscard]] std::vector<std::size_t> frame_ends(std::string_view stream);

}  // namespace bk::test
