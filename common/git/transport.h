// Our transport under libgit2's smart protocol.  Only common/git includes this.
#pragma once

#include "common/git/check.h"
#include "common/handle/handle.h"
#include "common/ssh/ssh.h"

#include <git2/sys/transport.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string>

namespace bk::git {

// One conversation: git-upload-pack or git-receive-pack on the far side.  Outlives the git_remote that uses
// it.
class Conversation {
 public:
  using Duration = std::chrono::milliseconds;
  Conversation(ssh::Session& session, std::string path, Duration idle, Duration total);

  // For git_remote_callbacks::transport, with the Conversation itself.
  static int make_transport(git_transport** out, git_remote* owner, void* self) noexcept;

  // What our side of the transport threw, if anything did.
  void rethrow() { guard_.rethrow(); }
  // Known after the git_remote was disconnected; nothing when the far side was killed or the line broke.
  [[nodiscard]] std::optional<int> exit_status() const { return status_; }
  [[nodiscard]] const std::string& far_errors() const { return errors_; }

  // Called by libgit2 through the C tables in transport.cc.
  void open(git_smart_service_t service);
  [[nodiscard]] std::size_t read(char* buffer, std::size_t size);
  void write(const char* buffer, std::size_t size);
  void close() noexcept;
  template <class Body>
  int guarded(Body&& body) noexcept {
    if (guard_.failed()) return -1;  // the line broke already: no more waiting on it
    const int code = guard_.run(-1, [&] {
      body();
      return 0;
    });
    if (code < 0) git_error_set_str(GIT_ERROR_NET, "the line to the far side broke");
    return code;
  }

 private:
  [[nodiscard]] Duration limit() const;

  ssh::Session& session_;
  std::string path_;
  Duration idle_;
  std::chrono::steady_clock::time_point end_;
  std::unique_ptr<ssh::Channel> channel_;
  std::optional<int> status_;
  std::string errors_;
  CallbackGuard guard_;
};

}  // namespace bk::git
