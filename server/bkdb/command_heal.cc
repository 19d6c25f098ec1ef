#include "common/error/error.h"
#include "common/log/log.h"
#include "common/text/escape.h"
#include "server/bkdb/commands.h"
#include "server/bkdb/progress_line.h"

#include <fmt/format.h>

namespace bk::bkdb {
namespace {

const char* name_of(store::HealEvent::What what) {
  using What = store::HealEvent::What;
  switch (what) {
    case What::PackRepaired:
      return "repaired";
    case What::PackCopied:
      return "copied";
    case What::ParityMade:
      return "parity made";
    case What::FileCopied:
      return "copied";
    case What::PackDamaged:
    case What::FileDamaged:
      return "still damaged";
  }
  return "";
}

bool is_routine(const store::HealEvent& event) {
  return event.what == store::HealEvent::What::ParityMade && event.detail == "there was none";
}

}  // namespace

int run_heal(Session& session, const Words& words) {
  if (!words.empty())
    throw Error(Kind::Usage, "heal takes no words: it looks at the whole store; a copy is named by --from");
  const SystemClock clock;
  const Log log(session.place().home, "bkdb", clock);
  ProgressLine progress("heal");
  const store::HealTotals totals = session.store().heal(
      session.options().get("from").value_or(""),
      [&](const store::HealEvent& event) {
        progress.clear();
        const std::string line =
            fmt::format("{}: {}: {}", name_of(event.what), quoted(event.path), event.detail);
        if (session.json())
          print(fmt::format("{{\"what\":\"{}\",\"file\":\"{}\",\"detail\":\"{}\"}}\n", name_of(event.what),
                            percent_encode(event.path), percent_encode(event.detail)));
        else
          print(line + "\n");
        if (!is_routine(event)) log.notice("heal: " + line);
      },
      [&](std::uint64_t done, std::uint64_t all) { progress.show(done, all); });
  progress.clear();
  const std::string summary = fmt::format(
      "{} packs, {} bytes read: {} repaired from parity, {} copied, {} still damaged, {} parities made",
      totals.packs, totals.bytes, totals.repaired, totals.copied, totals.damaged, totals.parity);
  if (!session.json()) print(summary + "\n");
  return totals.damaged == 0 ? kExitDone : kExitCorrupt;
}

}  // namespace bk::bkdb
