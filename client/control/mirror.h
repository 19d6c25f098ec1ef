// Our side of one control repository: a local bare repository that holds what was fetched and what is pushed.
//
// Nothing in it is needed: requests/ is the truth.  So a missing, damaged or long one is simply made anew,
// and that is also how it stays small: the server replaces long branches by checkpoints, and a new repository
// holds only those.  One thread, under the queue's lock.
#pragma once

#include "client/control/control.h"
#include "client/control/message.h"
#include "common/git/remote.h"
#include "common/git/repository.h"

#include <optional>
#include <string>
#include <vector>

namespace bk::client {

// What one fetch found.
struct Incoming {
  std::optional<git::Oid> requests;         // the far branch's tip; nothing: it does not exist
  std::optional<git::Oid> receipts;         // likewise
  std::vector<proto::Receipt> unconfirmed;  // all that parse
  std::uint64_t mark = 0;
  std::vector<std::string> unreadable;  // "<name>: why": a receipt or mark that does not parse
};

class Mirror {
 public:
  // Throws Config for a bad URL or key file.
  explicit Mirror(const ControlTarget& target);

  // Fetches both branches and reads the receipts; makes the local repository anew when it is damaged.
  [[nodiscard]] Incoming fetch();

  // Commits on top of `tip` (nothing: a first commit) what is to be asked and confirmed, and pushes it.
  struct Pushed {
    git::PushAnswer answer;
    git::Oid commit;
  };
  [[nodiscard]] Pushed push(const std::optional<git::Oid>& tip, const std::vector<OutgoingRequest>& requests,
                            const std::string& confirmed);

  // Throws the local repository away; fetch() makes a new one.
  void forget();

 private:
  [[nodiscard]] git::Repository& repository();
  [[nodiscard]] bool outgrown() const;
  [[nodiscard]] Incoming fetch_once();
  void read_receipts(Incoming& into);
  void track(const char* ref, const std::optional<git::Oid>& to);

  std::string path_;
  std::string client_;
  git::Remote remote_;
  std::optional<git::Repository> repository_;
};

}  // namespace bk::client
