// A git repository on another machine, reached through common/ssh: fetch objects, push a ref.
//
// libgit2's smart protocol over our own transport: one SSH session for the whole conversation, a deadline for
// every read and write and for the whole, the repository's path quoted by us.  A Remote belongs to one thread
// and to a short-lived process: the packaged libgit2 1.5.1 leaks about 75 KB for each fetch or push.
#pragma once

#include "common/error/error.h"
#include "common/git/repository.h"
#include "common/ssh/ssh.h"

#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace bk::git {

struct RemoteLimits {
  std::chrono::milliseconds idle{60000};    // no byte for this long ends it
  std::chrono::milliseconds total{900000};  // one fetch or push
  std::uint64_t fetched_bytes = 256U << 20U;
};

struct PushAnswer {
  enum class Result {
    Accepted,  // the far side reported the ref as updated, exactly once, without a reason against it
    Behind,    // the ref stands elsewhere: fetch, build on it, push again
    Refused,   // a hook or the far side's rules said no; `reason` says why.  Nothing changed
    Unknown,   // the line or one side broke: the ref may or may not have moved.  Look before doing anything
  };
  Result result = Result::Unknown;
  std::string reason;  // one line for people
  Kind kind =
      Kind::Transient;  // of Unknown: Refused when the far side let us not in, Corrupt for our own objects
};

class Remote {
 public:
  // `endpoint.address.path` names the repository.
  explicit Remote(const ssh::Endpoint& endpoint, const RemoteLimits& limits = {});
  ~Remote();

  // Asks which refs there are, and brings the objects of those named in `wanted` into `into`.  Moves no ref.
  // Throws Transient (line, deadline), Refused (host key, key, the far side's gate), Protocol (larger than
  // the limit).
  [[nodiscard]] std::map<std::string, Oid> fetch(Repository& into, const std::vector<std::string>& wanted);

  // Pushes our `local` ref as their `remote` ref, fast-forward only.  Throws only what kept the push from
  // being tried (no connection, no such local ref).
  [[nodiscard]] PushAnswer push(Repository& from, const std::string& local, const std::string& remote);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace bk::git
