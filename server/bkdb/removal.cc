#include "server/bkdb/removal.h"

#include "common/error/error.h"
#include "common/io/crash.h"
#include "common/io/file.h"
#include "common/text/escape.h"
#include "common/text/number.h"
#include "server/views/views.h"

#include <fmt/format.h>
#include <pwd.h>
#include <unistd.h>

#include <algorithm>

namespace bk::bkdb {
namespace {

std::string login_name() {
  const struct passwd* const user = ::getpwuid(::getuid());
  return user == nullptr ? std::to_string(::getuid()) : std::string(user->pw_name);
}

// data_idx for the sources that --source names.
std::string indices_of(Session& session, const std::vector<std::string>& ids) {
  std::string out;
  for (const std::string& id : ids) {
    const std::vector<Source>& all = session.sources();
    const auto found =
        std::find_if(all.begin(), all.end(), [&](const Source& source) { return source.id() == id; });
    if (found == all.end())
      throw Error(Kind::NotFound, "--source " + quoted(id) +
                                      ": there is no such source here; `bkdb ls --json` "
                                      "shows the ids");
    out += (out.empty() ? "" : ",") + std::to_string(found - all.begin());
  }
  return out;
}

}  // namespace

std::vector<store::SnapshotRecord> chosen_snapshots(Session& session, const Words& words,
                                                    Session::Default without_range) {
  Words all = words;
  const std::vector<std::string> ids = session.options().all("source");
  if (!ids.empty()) {
    if (std::any_of(words.begin(), words.end(), [](const std::string& word) { return !is_time_range(word); }))
      throw Error(Kind::Usage, "--source and a data_idx: one of them says which sources are meant");
    all.push_back(indices_of(session, ids));
  }
  if (all.empty())
    throw Error(Kind::Usage, "say which snapshots: data_idx, --source or a datetime_range; see --help");
  std::vector<store::SnapshotRecord> out;
  for (const Selected& selected : session.select_some(all, without_range)) {
    const Source& source = session.sources()[selected.source];
    std::vector<std::size_t> order = selected.snapshots;
    std::sort(order.begin(), order.end());
    for (const std::size_t at : order) out.push_back(source.snapshots[at]);
  }
  return out;
}

std::optional<std::uint64_t> expected_count(const Options& options) {
  const std::optional<std::string> text = options.get("expect");
  if (!text) return std::nullopt;
  const std::optional<std::uint64_t> count = parse_int<std::uint64_t>(*text);
  if (!count) throw Error(Kind::Usage, "--expect " + quoted(*text) + " is no number");
  return count;
}

store::MarkTemplate mark_template(const Options& options, store::MarkKind kind) {
  store::MarkTemplate out{kind, SystemClock().now(), login_name(), options.get("reason").value_or("")};
  if (out.reason.size() > store::kMaxReasonBytes)
    throw Error(Kind::Usage, "--reason is longer than " + std::to_string(store::kMaxReasonBytes) + " bytes");
  return out;
}

std::map<std::string, store::SnapshotMark> holds_of(store::Store& store,
                                                    const std::vector<store::SnapshotRecord>& records) {
  std::map<std::string, store::SnapshotMark> out;
  std::string client;
  for (const store::SnapshotRecord& record : records) {
    if (record.client == client) continue;
    client = record.client;
    out.merge(store.holds(client));
  }
  return out;
}

void mark_all(Session& session, const std::vector<store::SnapshotRecord>& records,
              const store::MarkTemplate& what) {
  std::map<std::string, std::vector<std::string>> by_client;
  for (const store::SnapshotRecord& record : records) by_client[record.client].push_back(record.id);
  for (const auto& [client, ids] : by_client) {
    session.store().mark_snapshots(client, what, ids);
    crash_point("bkdb.rm.marked");
  }
  if (what.kind != store::MarkKind::Removal) return;
  const std::string& home = session.place().home;
  server::remove_views(home, records);
  crash_point("bkdb.rm.views");
  std::vector<std::string> ids;
  for (const store::SnapshotRecord& record : records) ids.push_back(record.id);
  server::open_catalog(join_path(home, "catalog.db"), session.store())->remove(ids);
  crash_point("bkdb.rm.catalog");
}

std::string shown_source(const store::SnapshotRecord& record) {
  return fmt::format("{}, {}, {}: {}", record.client, record.module, record.method, shown_path(record.name));
}

}  // namespace bk::bkdb
