// A server's home with one control repository, and a client that commits into it, without a network.
#pragma once

#include "common/git/repository.h"
#include "common/text/document.h"
#include "proto/receipt/receipt.h"
#include "proto/request/request.h"
#include "server/access/home.h"
#include "server/access/hooks.h"
#include "server/ingest/ingest.h"
#include "server/ingest/receipt_branch.h"
#include "server/todo/todo.h"
#include "tests/support/temp_dir.h"

#include <fmt/format.h>

#include <string>
#include <vector>

namespace bk::test {

class FixedClock final : public Clock {
 public:
  [[nodiscard]] Timestamp now() const override { return {1800000000, 0}; }
};

inline proto::Request request(std::uint64_t number, const std::string& client = "web1") {
  proto::Request r;
  r.id = fmt::format("{:032x}", number);
  r.counter = number;
  r.client = client;
  r.module = "wiki";
  r.name = "/srv/wiki" + std::to_string(number);
  r.method = "rsync";
  r.place = r.name;
  r.requested = {1700000000, 0};
  return r;
}

class Installation {
 public:
  Installation() { make_repository(); }

  void make_repository() const {
    server::ensure_repository(path(), server::hooks_folder(home(), "none"), server::kRequestsRef);
  }
  [[nodiscard]] std::string home() const { return dir_.file("home"); }
  [[nodiscard]] std::string path() const { return home() + "/repositories/web1.git"; }
  [[nodiscard]] server::TodoList todo() const { return server::TodoList(home() + "/TODO"); }

  // What a client's push leaves on the server.
  git::Oid commit(const std::vector<std::pair<std::string, std::string>>& files,
                  const std::string& confirms = "none") const {
    git::Repository repository(path());
    std::vector<git::TreeEntry> tree;
    for (const auto& [name, text] : files)
      tree.push_back({name, git::kModeFile, repository.write_blob(text)});
    const std::optional<git::Oid> tip = repository.ref(server::kRequestsRef);
    const git::Oid made = repository.write_commit(
        repository.write_tree(tree), tip ? std::vector<git::Oid>{*tip} : std::vector<git::Oid>{},
        {"web1", "web1@localhost", 1700000000}, "requests\n\nreceipts: " + confirms + "\n");
    EXPECT_TRUE(repository.set_ref(server::kRequestsRef, made, tip));
    return made;
  }
  git::Oid push(const std::vector<proto::Request>& requests, const std::string& confirms = "none") const {
    std::vector<std::pair<std::string, std::string>> files;
    for (const proto::Request& r : requests)
      files.emplace_back("RQ" + proto::request_stem(r.module, r.name), proto::write_request(r));
    return commit(files, confirms);
  }
  // So many pushes that ask for nothing, with one move of the ref.
  void push_empty(std::size_t count, const std::string& confirms = "none") const {
    git::Repository repository(path());
    const std::optional<git::Oid> before = repository.ref(server::kRequestsRef);
    std::optional<git::Oid> tip = before;
    const git::Oid tree = repository.write_tree({});
    for (std::size_t i = 0; i < count; ++i)
      tip = repository.write_commit(tree, tip ? std::vector<git::Oid>{*tip} : std::vector<git::Oid>{},
                                    {"web1", "web1@localhost", 1700000000},
                                    "requests\n\nreceipts: " + confirms + "\n");
    EXPECT_TRUE(repository.set_ref(server::kRequestsRef, *tip, before));
  }
  server::IngestReport run() const { return server::ingest(home(), path(), FixedClock()); }

  [[nodiscard]] std::vector<proto::Receipt> receipts() const {
    std::vector<proto::Receipt> out;
    const git::Repository repository(path());
    const std::optional<git::Oid> tip = repository.ref(server::kReceiptsRef);
    if (!tip) return out;
    for (const git::TreeEntry& entry : repository.tree(repository.commit(*tip).tree)) {
      if (entry.name != "mark") out.push_back(proto::parse_receipt(repository.blob(entry.oid, 1U << 20U)));
    }
    return out;
  }
  // "id-number:outcome" of every receipt, in order of ids.
  [[nodiscard]] std::string answers() const {
    std::string out;
    for (const proto::Receipt& receipt : receipts()) {
      out += std::to_string(std::stoull(receipt.id, nullptr, 16)) + ":" +
             std::string(to_word(receipt.outcome)) + " ";
    }
    return out;
  }
  [[nodiscard]] std::string receipts_tip() const {
    return git::Repository(path()).ref(server::kReceiptsRef)->hex();
  }
  [[nodiscard]] std::uint64_t mark() const {
    const git::Repository repository(path());
    for (const git::TreeEntry& entry :
         repository.tree(repository.commit(*repository.ref(server::kReceiptsRef)).tree)) {
      if (entry.name == "mark") return server::parse_mark(repository.blob(entry.oid, 4096));
    }
    return 0;
  }
  // How many items wait in TODO.
  [[nodiscard]] std::size_t pending() const {
    server::TodoList list = todo();
    std::vector<std::string> problems;
    const std::size_t count = list.pending(problems).size();
    EXPECT_TRUE(problems.empty());
    return count;
  }
  // Does the work of one request: its item ends, its receipt was written before.
  void finish(const proto::Request& r, proto::Outcome outcome) const;

 private:
  TempDir dir_;
};

}  // namespace bk::test
