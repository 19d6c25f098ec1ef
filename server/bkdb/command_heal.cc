#include "common/error/error.h"
#include "common/log/log.h"
#include "common/text/escape.h"
#include "server/bkdb/commands.h"
#include "server/bkdb/progress_line.h"
#include "server/bkdb/verify.h"

#include <fmt/format.h>

#include <set>

namespace bk::bkdb {
namespace {

const char* name_of(const store::HealEvent& event) {
  using What = store::HealEvent::What;
  switch (event.what) {
    case What::PackRepaired:
      return "repaired";
    case What::PackCopied:
      return "copied";
    case What::ParityMade:
      return "parity made";
    case What::FileCopied:
      return "copied";
    case What::FileMade:
      return "made anew";
    case What::PackDamaged:
    case What::FileDamaged:
      return event.unreadable ? "cannot read" : "still damaged";
  }
  return "";
}

bool is_routine(const store::HealEvent& event) {
  return event.what == store::HealEvent::What::ParityMade && event.detail == "there was none";
}

// What neither parity nor a copy brought back: whom it hits.  Their next backups bring what the client has.
void name_sufferers(Session& session, const Log& log) {
  const std::vector<store::SnapshotRecord> snapshots =
      session.store().snapshots({}, [](const std::string&) {});
  std::vector<const store::SnapshotRecord*> all;
  for (const store::SnapshotRecord& snapshot : snapshots) all.push_back(&snapshot);
  std::set<std::string> ids;
  std::uint64_t paths = 0;
  (void)verify_snapshots(session.store(), all, {false, nullptr},
                         [&](const store::SnapshotRecord& snapshot, const std::string& path, const Reason&) {
                           ids.insert(snapshot.id);
                           ++paths;
                           if (session.json()) return;
                           const std::string whole =
                               path.empty() ? snapshot.name : snapshot.name + "/" + path;
                           print(fmt::format("suffers: snapshot {} of {}: {}\n", snapshot.id.substr(0, 12),
                                             snapshot.client, quoted(whole)));
                         });
  session.store().note_suffering({ids.begin(), ids.end()});
  log.notice(fmt::format(
      "heal: {} snapshots suffer, {} paths; the next backups of their sources look at everything again",
      ids.size(), paths));
}

std::string summary_of(const store::HealTotals& totals) {
  std::string out = fmt::format(
      "{} packs, {} bytes read: {} repaired, {} copied, {} still damaged, {} parities made; "
      "{} other files healed, {} still damaged",
      totals.packs, totals.bytes, totals.repaired, totals.copied, totals.damaged - totals.packs_unreadable,
      totals.parity, totals.files_healed, totals.files_damaged - totals.files_unreadable);
  const std::uint64_t unreadable = totals.packs_unreadable + totals.files_unreadable;
  if (unreadable > 0) out += fmt::format("; {} cannot be read", unreadable);
  return out;
}

void print_header_healed(const Session& session) {
  const std::string path = session.store_directory() + "/header";
  if (session.json())
    print(fmt::format("{{\"what\":\"copied\",\"file\":\"{}\",\"detail\":\"\"}}\n", percent_encode(path)));
  else
    print(fmt::format("copied: {}: it was damaged or missing\n", quoted(path)));
}

}  // namespace

int run_heal(Session& session, const Words& words) {
  if (!words.empty())
    throw Error(Kind::Usage, "heal takes no words: it looks at the whole store; a copy is named by --from");
  const SystemClock clock;
  const Log log(session.place().home, "bkdb", clock);
  ProgressLine progress("heal");
  const std::string copy = session.options().get("from").value_or("");
  if (!copy.empty() && store::Store::heal_header(session.store_directory(), copy)) {
    print_header_healed(session);
    log.notice("heal: the store's header was damaged; it was taken from " + quoted(copy));
  }
  const store::HealTotals totals = session.store().heal(
      copy,
      [&](const store::HealEvent& event) {
        progress.clear();
        const std::string line = fmt::format("{}: {}: {}", name_of(event), quoted(event.path), event.detail);
        if (session.json())
          print(fmt::format("{{\"what\":\"{}\",\"file\":\"{}\",\"detail\":\"{}\"}}\n", name_of(event),
                            percent_encode(event.path), percent_encode(event.detail)));
        else
          print(line + "\n");
        if (!is_routine(event)) log.notice("heal: " + line);
      },
      [&](std::uint64_t done, std::uint64_t all) { progress.show(done, all); });
  progress.clear();
  const std::uint64_t unreadable = totals.packs_unreadable + totals.files_unreadable;
  const std::uint64_t damaged = totals.damaged + totals.files_damaged - unreadable;
  if (!session.json()) print(summary_of(totals) + "\n");
  if (damaged + unreadable > 0) name_sufferers(session, log);
  return damaged > 0 ? kExitCorrupt : unreadable > 0 ? kExitIo : kExitDone;
}

}  // namespace bk::bkdb
