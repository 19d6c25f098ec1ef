// A real, private sshd on a free loopback port, run by the invoking user, for as long as the object lives.
//
// It holds its own host keys, its own authorized_keys and a client key that is accepted; nothing outside its
// temporary directory is touched (as root, sshd insists on /run/sshd).
#pragma once

#include "common/process/process.h"
#include "common/ssh/ssh.h"
#include "tests/support/temp_dir.h"

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

namespace bk::test {

// Makes a key pair FILE and FILE.pub without passphrase; `type` as for ssh-keygen -t.
void make_key(const std::string& file, const std::string& type = "ed25519");
// "<type> <base64>" of FILE.pub.
[[nodiscard]] std::string public_key(const std::string& file);

class Sshd {
 public:
  struct Options {
    // Prefix of the accepted key's line, with its final space: "restrict,command=\"…\" ".
    std::string key_options;
    std::vector<std::string> more_keys;  // further lines of authorized_keys
    std::vector<std::string> config;     // further lines of sshd_config
    std::vector<std::string> host_key_types{"ed25519"};
    std::string client_key_type = "ed25519";
  };
  Sshd();
  explicit Sshd(const Options& options);
  ~Sshd();

  [[nodiscard]] std::uint16_t port() const { return port_; }
  [[nodiscard]] pid_t pid() const;
  // Reaches this server with the accepted key; `path` becomes the URL's path.
  [[nodiscard]] ssh::Endpoint endpoint(const std::string& path = "") const;
  [[nodiscard]] std::string host_key(const std::string& type = "ed25519") const;
  [[nodiscard]] std::string identity() const { return dir_.file("client_key"); }
  [[nodiscard]] const TempDir& dir() const { return dir_; }
  [[nodiscard]] std::string log() const;
  // Replaces authorized_keys.
  void authorize(const std::vector<std::string>& lines) const;
  // Stops it at once (connections too); start() brings it back on the same port.
  void stop();
  void start();
  // Every process below it: connections, and the commands they run.  Deepest last.
  [[nodiscard]] std::vector<pid_t> descendants() const;
  // The first descendant whose command line holds `part`; waits up to 10 s for one.
  [[nodiscard]] std::optional<pid_t> find_descendant(const std::string& part) const;

 private:
  void write_config();

  TempDir dir_;
  std::uint16_t port_ = 0;
  std::vector<std::string> host_key_types_;
  std::string config_;
  std::optional<Child> child_;
};

// Everything below `pid` in the process tree, deepest last.
[[nodiscard]] std::vector<pid_t> descendants_of(pid_t pid);
[[nodiscard]] std::string user_name();  // the invoking user's

}  // namespace bk::test
