// What a verify asks of a whole store: its packs, its index beside them, its records.
#include "common/error/error.h"
#include "common/io/file.h"
#include "common/text/escape.h"
#include "server/store/bad_sectors.h"
#include "server/store/check.h"
#include "server/store/checkpoint_folder.h"
#include "server/store/possession.h"
#include "server/store/store_impl.h"

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace bk::store {

namespace {

// Who may only read tells what he found, and that is all.
void unless_read_only(const std::function<void()>& note) {
  try {
    note();
  } catch (const Error& error) {
    if (!is_no_right_to_write(error)) throw;
  }
}

}  // namespace

PackTotals StoreImpl::check_packs(const PackPlan& plan, const std::function<void(const PackProblem&)>& report,
                                  const std::function<void(std::uint64_t, std::uint64_t)>& progress) {
  PackAudit audit(layout_, header_.id, plan, report, progress, marker_);
  PackTotals totals = audit.run();
  std::vector<DamagedPlace> places = audit.places();
  std::set<std::uint64_t> read = audit.read();
  for (const std::uint64_t number : lost_packs()) {
    report(
        {shown_pack(number) + " is missing: " + quoted(layout_.storage->shown(Layout::pack_object(number))),
         false});
    ++totals.damaged;
    places.push_back({number, 0, UINT64_MAX});
    read.insert(number);
  }
  for (const std::uint64_t number : noted_and_gone()) read.insert(number);
  unless_read_only([&] { index_.damage().note(read, places); });
  if (plan.share >= 1 && plan.not_read_for.count() == 0) check_index(audit.chunks(), report);
  return totals;
}

// What stands in a pack, and the index does not know, cannot be restored until the index is made anew.
void StoreImpl::check_index(const std::map<std::uint64_t, std::uint64_t>& chunks,
                            const std::function<void(const PackProblem&)>& report) {
  std::map<std::uint64_t, std::uint64_t> known;
  try {
    index_.reload_runs();
    known = index_.runs().count_records();
  } catch (const Error& error) {
    if (error.kind() != Kind::Corrupt && !is_media_error(error)) throw;
    return;  // check_records() names the run
  }
  for (const auto& [number, count] : chunks) {
    const auto found = known.find(number);
    const std::uint64_t there = found == known.end() ? 0 : found->second;
    if (there >= count || index_.runs().is_removed(number)) continue;
    if (index_.runs().covered(number) != kWholePack) continue;  // indexed as soon as something is not found
    if (!layout_.storage->exists(Layout::pack_object(number))) continue;  // cleaned away meanwhile
    report({"the index does not know " + std::to_string(count - there) + " of the " + std::to_string(count) +
                " chunks of " + shown_pack(number) + "; `bkdb build` makes it anew",
            false});
  }
}

// Finished packs that the index knows, and that no clean has taken away.
std::set<std::uint64_t> StoreImpl::known_packs() {
  index_.reload_runs();
  std::set<std::uint64_t> known;
  for (const auto& run : index_.runs().runs())
    for (std::uint64_t slot = 0; slot < run->pack_count(); ++slot)
      if (const Coverage pack = run->coverage(slot);
          pack.upto == kWholePack && !index_.runs().is_removed(pack.pack))
        known.insert(pack.pack);
  return known;
}

// What the index knows and the storage does not have.  Asked again in the end: while we looked, a clean may
// have taken a pack away, which it says before it does.
std::vector<std::uint64_t> StoreImpl::lost_packs() try {
  std::set<std::uint64_t> lost = known_packs();
  std::erase_if(lost, [&](std::uint64_t number) { return path_exists(layout_.journal(number)); });
  for (const std::uint64_t number : all_packs(layout_)) lost.erase(number);
  if (lost.empty()) return {};
  const std::set<std::uint64_t> still = known_packs();
  std::erase_if(lost, [&](std::uint64_t number) { return !still.contains(number); });
  return {lost.begin(), lost.end()};
} catch (const UnreadableRun&) {
  return {};  // check_records() names the run
}

// What the list of damage says of packs that stand nowhere any more helps nobody.
std::vector<std::uint64_t> StoreImpl::noted_and_gone() {
  std::vector<std::uint64_t> out;
  index_.damage().refresh();
  for (const DamagedPlace& place : index_.damage().places()) {
    if (!out.empty() && out.back() == place.pack) continue;
    std::string problem;
    const auto pack = open_if_readable(*layout_.storage, Layout::pack_object(place.pack), &problem);
    if (!pack && problem.empty() && !path_exists(layout_.journal(place.pack))) out.push_back(place.pack);
  }
  return out;
}

void StoreImpl::note_suffering(const std::vector<std::string>& ids) {
  unless_read_only([&] { index_.damage().note_snapshots(ids); });
}

void StoreImpl::check_records(const std::function<void(const PackProblem&)>& report) {
  for (const auto& run : index_.runs().runs()) {
    try {
      if (run->intact()) continue;
      report({quoted(run->path()) + ": damaged; `bkdb build` makes the index anew", false});
    } catch (const Error& error) {
      if (error.kind() != Kind::Io) throw;
      report({quoted(run->path()) + ": " + error.what() + "; `bkdb build` makes the index anew", true});
    }
  }
  for (const auto& [pack, problem] : index_.unread()) report({problem, true});
  for (const std::string& client : ClientPossession::remembered(layout_))
    if (!is_directory(layout_.snapshots() + "/" + client))
      report({"client " + quoted(client) + " had snapshots, and " +
                  quoted(layout_.snapshots() + "/" + client) + " is missing",
              false});
  for (const std::string& client : list_clients(layout_))
    SnapshotLog(layout_, header_.id, client).check(report);
  for (const std::string& client : list_clients(layout_)) CheckpointFolder(layout_, client).check(report);
}

void StoreImpl::check_structure(const std::function<void(const std::string&)>& report) {
  (void)check_packs({}, [&](const PackProblem& problem) { report(problem.text); }, {});
  check_records([&](const PackProblem& problem) { report(problem.text); });
}

}  // namespace bk::store
