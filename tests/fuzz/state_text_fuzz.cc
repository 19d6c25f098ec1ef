// Files that a program finds again after its death, and what other programs print for us: work list and done
// log, the client's queue, a cmd's add_queue, an archive's resume list, git's lists of refs.  The first byte
// chooses.
//
// Only Error of Kind::Protocol may come out (Usage for a person's words), and what parses must survive being
// written and parsed again.
#include "client/modules/ready.h"
#include "client/request/queued.h"
#include "common/digest/sha256.h"
#include "common/error/error.h"
#include "server/pull/archive_resume.h"
#include "server/pull/git_refs.h"
#include "server/todo/done_log.h"
#include "server/todo/todo_item.h"

#include <cstdint>
#include <string>
#include <string_view>

namespace {

using namespace bk;  // NOLINT: a harness

template <class Body>
void only(Kind kind, Body&& body) {
  try {
    body();
  } catch (const Error& error) {
    BK_CHECK(error.kind() == kind);
  }
}

// A fuzzer cannot guess a digest: the text is sealed, so that what lies behind the seal is reached.
std::string sealed(std::string_view text) {
  std::string body(text.substr(0, text.rfind("end: ")));
  if (!body.empty() && body.back() != '\n') body += '\n';
  return body + "end: sha256 " + Sha256::of(body).hex() + "\n";
}

void try_documents(std::uint8_t which, std::string_view text) {
  only(Kind::Protocol, [&] {
    if (which == 0) {
      const auto item = server::parse_todo(text);
      BK_CHECK(server::parse_todo(server::write_todo(item)) == item);
    } else if (which == 1) {
      const auto item = client::parse_queued(text);
      BK_CHECK(client::parse_queued(client::write_queued(item)) == item);
    } else if (which == 2) {
      const auto ready = client::parse_ready(text);
      BK_CHECK(client::write_ready(client::parse_ready(client::write_ready(ready))) ==
               client::write_ready(ready));
    } else {
      const auto extents = pull::parse_extents(text);
      BK_CHECK(pull::write_extents(pull::parse_extents(pull::write_extents(extents))) ==
               pull::write_extents(extents));
    }
  });
}

void try_lines(std::string_view text) {
  if (const auto record = server::parse_done_line(text))
    BK_CHECK(server::parse_done_line(server::write_done_line(*record)) == record);
  const pull::RemoteRefs remote = pull::parse_ls_remote(text);
  const pull::Refs local = pull::parse_for_each_ref(text);
  const pull::Moves moves = pull::compare_refs(pull::without_kept(local), remote.refs);
  // Every command of a transaction is one word and its arguments, ended by NULs: nothing can slip into it.
  const std::string transaction = pull::keep_transaction(moves, "20260713T220409Z", true);
  BK_CHECK(transaction.empty() || transaction.back() == '\0');
  for (const auto& [name, oid] : remote.refs)
    BK_CHECK(name.find_first_of(std::string_view("\0\n ", 3)) == std::string::npos);
  only(Kind::Usage, [&] { (void)client::parse_ready_text(text, "web1"); });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  const std::uint8_t which = data[0] % 5;
  if (which == 4) {
    try_lines(text);
  } else {
    try_documents(which, text);
    try_documents(which, sealed(text));
  }
  return 0;
}
