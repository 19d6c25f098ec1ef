#include "common/config/config.h"
#include "common/error/error.h"
#include "common/text/escape.h"
#include "common/text/number.h"
#include "server/bkdb/json.h"
#include "server/bkdb/progress_line.h"
#include "server/bkdb/removal.h"

#include <fmt/format.h>

namespace bk::bkdb {
namespace {

void only_options(const Words& words) {
  if (!words.empty()) throw Error(Kind::Usage, "clean takes no words: it looks after the whole store");
}

std::string amount(std::uint64_t bytes) {
  return bytes < 10U << 20U ? fmt::format("{} KiB", bytes >> 10U) : fmt::format("{} MiB", bytes >> 20U);
}

void show(Session& session, const store::CleanTotals& t) {
  if (session.json()) {
    print(numbers_json({{"chunks", t.chunks},
                        {"unneeded", t.unneeded},
                        {"all_compared", t.all ? 1U : 0U},
                        {"packs_removed", t.packs_removed},
                        {"packs_rewritten", t.packs_rewritten},
                        {"packs_damaged", t.packs_damaged},
                        {"regrouped", t.regrouped},
                        {"freed_bytes", t.freed_bytes},
                        {"copied_bytes", t.copied_bytes},
                        {"waits_for", t.waits_for}}));
    return;
  }
  print(fmt::format("{} of {} chunks are not needed{}\n", t.unneeded, t.chunks,
                    t.all ? "" : " any more since the last clean"));
  if (t.packs_removed > 0)
    print(fmt::format("{} packs removed, {} of them rewritten: {} freed, {} written\n", t.packs_removed,
                      t.packs_rewritten, amount(t.freed_bytes), amount(t.copied_bytes)));
  if (t.regrouped > 0) print(fmt::format("{} sources were put together again\n", t.regrouped));
}

}  // namespace

int run_clean_pretend(Session& session, const Words& words) {
  only_options(words);
  store::CleanOptions options;
  options.pretend = true;
  show(session, session.store().clean(options));
  return kExitDone;
}

int run_clean(Session& session, const Words& words) {
  only_options(words);
  store::CleanOptions options;
  options.expect = expected_count(session.options());
  if (const std::optional<std::string> text = session.options().get("rewrite")) {
    const auto percent = parse_int<unsigned>(*text, 0, 100);
    if (!percent) throw Error(Kind::Usage, "--rewrite " + quoted(*text) + " is no number from 0 to 100");
    options.rewrite_percent = *percent;
    options.all = true;  // what earlier cleans left because it was too little
  }
  if (const std::optional<std::string> text = session.options().get("compress")) {
    const auto level = parse_int<int>(*text, 1, 19);
    if (!level) throw Error(Kind::Usage, "--compress " + quoted(*text) + " is no level from 1 to 19");
    options.compress_level = *level;
  }
  if (const std::optional<std::string> text = session.options().get("regroup")) {
    const auto bytes = parse_size(*text);
    if (!bytes) throw Error(Kind::Usage, "--regroup " + quoted(*text) + " is no size such as 10G");
    options.regroup_bytes = *bytes;
    options.regroup_all = true;
  }
  if (session.options().has("all")) options.all = options.recount = true;
  ProgressLine progress("compress");
  options.compressing = [&](std::uint64_t done, std::uint64_t all) { progress.show(done, all); };
  const store::CleanTotals totals = session.store().clean(options);
  progress.clear();
  show(session, totals);
  if (totals.packs_damaged > 0)
    warn(fmt::format("{} packs were left as they are; the first: {}; `bkdb verify` says more",
                     totals.packs_damaged, totals.problem));
  if (totals.waits_for == 0) return totals.packs_damaged > 0 ? kExitPartial : kExitDone;
  warn(fmt::format("{} backups that began before are still at work: the next clean deletes what was found",
                   totals.waits_for));
  return kExitTryLater;
}

}  // namespace bk::bkdb
