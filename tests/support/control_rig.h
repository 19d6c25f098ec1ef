// One control line for tests: a real sshd, a real bare repository behind it, a queue in memory, and hands
// that write receipts as the server does.
#pragma once

#include "client/control/control.h"
#include "common/error/error.h"
#include "common/git/repository.h"
#include "common/io/file.h"
#include "common/text/document.h"
#include "tests/support/sshd.h"

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace bk::test {

// A ledger that remembers everything it was told.
class MemoryLedger final : public client::Ledger {
 public:
  void apply(const std::vector<proto::Receipt>& receipts, std::uint64_t mark) override {
    ++applied;
    last_mark = mark;
    for (const proto::Receipt& receipt : receipts) outcomes[receipt.id] = receipt.outcome;
  }
  std::vector<proto::Request> unacknowledged(std::uint64_t) override {
    std::vector<proto::Request> out;
    for (const proto::Request& request : requests)
      if (!outcomes.contains(request.id)) out.push_back(request);
    return out;
  }
  const proto::Request& ask(const std::string& name) {
    proto::Request r;
    r.counter = requests.size() + 1;
    r.id = std::string(32 - std::to_string(r.counter).size(), '0') + std::to_string(r.counter);
    r.client = "web1";
    r.module = "directories";
    r.name = name;
    r.method = "rsync";
    r.place = name;
    r.requested = {1783000000, 0};
    return requests.emplace_back(r);
  }

  std::vector<proto::Request> requests;
  std::map<std::string, proto::Outcome> outcomes;
  std::uint64_t last_mark = 0;
  int applied = 0;
};

class ControlRig {
 public:
  static constexpr const char* kRequests = "refs/heads/requests";
  static constexpr const char* kReceipts = "refs/heads/receipts";

  ControlRig() : far_path_(server.dir().file("web1.git")) {
    git::Repository::init(far_path_, kRequests);
    far().set_config("receive.autogc", "false");
  }
  // With a repository that somebody else makes.
  explicit ControlRig(std::string far_path) : far_path_(std::move(far_path)) {}

  [[nodiscard]] const std::string& far_path() const { return far_path_; }
  [[nodiscard]] git::Repository far() const { return git::Repository(far_path()); }
  [[nodiscard]] client::ControlTarget target() const {
    client::ControlTarget out;
    out.url = "ssh://" + user_name() + "@127.0.0.1:" + std::to_string(server.port()) + far_path();
    out.host_key = server.host_key();
    out.identity = server.identity();
    out.repository = server.dir().file("client/log/queues/main.git");
    out.timeout = std::chrono::seconds(20);
    return out;
  }
  client::RoundResult round() { return client::run_round(target(), ledger); }

  // A shell script as a hook; the tests' own text.
  void hook(const std::string& name, const std::string& text) const {
    replace_durably(far_path() + "/hooks/" + name, "#!/bin/sh\n" + text + "\n", 0755);
  }
  void unhook(const std::string& name) const { remove_durably(far_path() + "/hooks/" + name); }

  // Replaces the receipts branch: a receipt of each id, and the mark.
  void receipts(const std::map<std::string, proto::Outcome>& outcomes, std::uint64_t mark) const {
    git::Repository there = far();
    std::vector<git::TreeEntry> entries;
    for (const auto& [id, outcome] : outcomes) {
      proto::Receipt receipt;
      receipt.id = id;
      receipt.outcome = outcome;
      receipt.time = {1783000100, 0};
      if (outcome == proto::Outcome::Ok) receipt.snapshot = std::string(64, 'a');
      entries.push_back({id, git::kModeFile, there.write_blob(proto::write_receipt(receipt))});
    }
    entries.push_back(
        {"mark", git::kModeFile, there.write_blob(Document("bk-mark", 1).add("counter", mark).write())});
    const std::optional<git::Oid> before = there.ref(kReceipts);
    const git::Oid tip =
        there.write_commit(there.write_tree(entries), before ? std::vector{*before} : std::vector<git::Oid>{},
                           {"server", "server@localhost", 1783000100}, "receipts\n");
    there.force_ref(kReceipts, tip);
  }
  // Every request that ever arrived, by id, and how often it stands in the history.
  [[nodiscard]] std::map<std::string, int> arrived() const {
    std::map<std::string, int> out;
    git::Repository there = far();
    const std::optional<git::Oid> tip = there.ref(kRequests);
    if (!tip) return out;
    for (const git::Oid& id : there.commits_between(std::nullopt, *tip, 100000))
      for (const git::TreeEntry& entry : there.tree(there.commit(id).tree))
        ++out[proto::parse_request(there.blob(entry.oid, proto::kMaxRequestBytes)).id];
    return out;
  }
  [[nodiscard]] std::string last_message() const {
    git::Repository there = far();
    return there.commit(there.ref(kRequests).value()).message;
  }

  Sshd server;
  MemoryLedger ledger;

 private:
  std::string far_path_;
};

}  // namespace bk::test
