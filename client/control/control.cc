#include "client/control/control.h"

#include "client/control/mirror.h"
#include "common/error/error.h"

#include <algorithm>
#include <set>
#include <utility>

namespace bk::client {
namespace {

// Lost races in a row: another client under our name, or a server that is replacing the branch.
constexpr int kMaxRaces = 5;
// Fetch, ask and confirm, fetch, confirm: more turns only when races come between.
constexpr int kMaxTurns = 20;

class Round {
 public:
  Round(const ControlTarget& target, Ledger& ledger) : mirror_(target), ledger_(ledger) {}

  RoundResult run() {
    for (int turn = 0; turn < kMaxTurns; ++turn) {
      const Incoming in = mirror_.fetch();
      ledger_.apply(in.unconfirmed, in.mark);
      note(in);
      std::vector<OutgoingRequest> asked = not_yet_pushed(in.mark);
      const std::string confirm = to_confirm(in);
      if (asked.empty() && (confirm.empty() || !worth_a_push(in))) break;
      const bool only_confirms = asked.empty();
      if (push(in, std::move(asked), confirm) && only_confirms) break;
    }
    if (!unreadable_.empty())
      throw Error(Kind::Protocol,
                  "the server's receipts: " + unreadable_.front() +
                      (unreadable_.size() > 1 ? " (and " + std::to_string(unreadable_.size() - 1) + " more)"
                                              : std::string()));
    return result_;
  }

 private:
  void note(const Incoming& in) {
    for (const proto::Receipt& receipt : in.unconfirmed)
      if (seen_.insert(receipt.id + std::string(proto::to_word(receipt.outcome))).second) ++result_.receipts;
    unreadable_ = in.unreadable;
  }

  std::vector<OutgoingRequest> not_yet_pushed(std::uint64_t mark) {
    std::vector<OutgoingRequest> out;
    for (const proto::Request& request : ledger_.unacknowledged(mark))
      if (!pushed_.contains(request.id)) out.push_back(outgoing(request));
    return out;
  }

  // Everything in that commit was applied durably.  A branch with something unreadable stays as it is, so
  // that nothing is dropped before a person, or a newer version, could read it.
  std::string to_confirm(const Incoming& in) const {
    if (!in.receipts || in.unconfirmed.empty() || !in.unreadable.empty()) return {};
    const std::string commit = in.receipts->hex();
    return commit == confirmed_ ? std::string() : commit;
  }

  // A `taken` is replaced by its request's outcome, so confirming it alone would only cost a push: it is
  // confirmed with the next one.
  static bool worth_a_push(const Incoming& in) {
    return std::any_of(in.unconfirmed.begin(), in.unconfirmed.end(),
                       [](const proto::Receipt& receipt) { return proto::is_final(receipt.outcome); });
  }

  // False: a race was lost, fetch and try again.
  bool push(const Incoming& in, std::vector<OutgoingRequest> asked, const std::string& confirm) {
    std::vector<std::vector<OutgoingRequest>> all = portions(std::move(asked));
    if (all.empty()) all.emplace_back();
    std::optional<git::Oid> tip = in.requests;
    for (const std::vector<OutgoingRequest>& portion : all) {
      Mirror::Pushed pushed;
      try {
        pushed = mirror_.push(tip, portion, confirm);
      } catch (const Error& error) {
        if (error.kind() != Kind::Corrupt) throw;
        pushed.answer = {git::PushAnswer::Result::Unknown, error.what(), Kind::Corrupt};
      }
      if (!settle(pushed.answer)) return false;
      for (const OutgoingRequest& request : portion) pushed_.insert(request.id);
      result_.pushed += portion.size();
      if (!confirm.empty()) confirmed_ = confirm;
      tip = pushed.commit;
    }
    return true;
  }

  // True when the far side took it, false for another try; throws for the rest.
  bool settle(const git::PushAnswer& answer) {
    using Result = git::PushAnswer::Result;
    switch (answer.result) {
      case Result::Accepted:
        races_ = 0;
        return true;
      case Result::Behind:
        if (++races_ >= kMaxRaces)
          throw Error(Kind::Transient, "the server's branch moved under each of " +
                                           std::to_string(kMaxRaces) +
                                           " pushes (does another client use this name?): " + answer.reason);
        return false;
      case Result::Refused:
        throw Error(Kind::Refused, "the server refused the push: " + answer.reason);
      case Result::Unknown:
        break;
    }
    if (answer.kind == Kind::Corrupt && !std::exchange(renewed_, true)) {
      mirror_.forget();  // our own copy is damaged, which is no harm
      return false;
    }
    throw Error(answer.kind == Kind::Refused ? Kind::Refused : Kind::Transient,
                answer.reason + " (whether the push arrived is unknown; the next round finds out)");
  }

  Mirror mirror_;
  Ledger& ledger_;
  RoundResult result_;
  std::set<std::string> pushed_;  // ids, this round
  std::set<std::string> seen_;
  std::string confirmed_;
  std::vector<std::string> unreadable_;
  int races_ = 0;
  bool renewed_ = false;
};

}  // namespace

RoundResult run_round(const ControlTarget& target, Ledger& ledger) { return Round(target, ledger).run(); }

}  // namespace bk::client
