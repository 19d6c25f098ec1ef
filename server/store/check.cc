#include "server/store/check.h"

#include "common/error/error.h"
#include "common/io/file.h"
#include "common/storage/folder_storage.h"
#include "common/text/escape.h"
#include "server/store/index.h"
#include "server/store/parity.h"
#include "server/store/scan.h"

#include <algorithm>

namespace bk::store {
void check_pack(ObjectReader& in, const std::string& path, const PackRef& pack, bool finished, bool payloads,
                const PackFindings& findings) {
  const auto report = [&](const std::string& text) { findings.report(quoted(path) + text); };
  const auto place = [&](std::uint64_t from, std::uint64_t to) {
    if (findings.place) findings.place(from, to);
  };
  try {
    check_pack_header(read_exactly(in, 0, kPackHeaderBytes), pack);
  } catch (const Error& error) {
    if (error.kind() != Kind::Corrupt) throw;
    report(std::string(": ") + error.what());
  }
  PackScan scan(in, pack);
  std::uint64_t groups = 0;
  Sha256 digests;
  bool sealed = false, intact = true;
  for (;;) {
    while (const std::optional<ScannedRecord> record = scan.next(payloads)) {
      if (sealed) report(": records follow the seal");
      if (record->head.type == RecordType::Seal) {
        sealed = true;
        if (intact &&
            (record->head.sealed_groups != groups || record->head.sealed_digest != digests.finish()))
          report(": its records are not those that were sealed");
        continue;
      }
      if (record->head.type == RecordType::Group) ++groups;
      digests.update(record->digest);
    }
    if (scan.reason().empty()) break;
    const std::uint64_t from = scan.offset();
    const std::string damage = " offset " + std::to_string(from) + ": " + scan.reason();
    const bool more = scan.skip_to_next();
    // The end of a journal may be in the making, or torn by a crash: its next writer cuts it.
    if (more || finished) {
      report(damage);
      place(from, more ? scan.offset() : UINT64_MAX);
    }
    intact = false;
    if (!more) break;
  }
  if (finished && intact && !sealed) {
    report(": it is cut short, its seal is missing");
    place(scan.offset(), UINT64_MAX);
  }
}

PackAudit::PackAudit(const Layout& layout, const StoreId& store, PackPlan plan, Report report,
                     Progress progress)
    : layout_(layout),
      store_(store),
      plan_(plan),
      report_(std::move(report)),
      progress_(std::move(progress)),
      dates_(layout.index + "/verified") {}

// Every run draws anew; what is read is spread evenly over the store.
bool PackAudit::chosen(std::uint64_t number) const {
  if (plan_.not_read_for.count() > 0 && !dates_.older(number, plan_.not_read_for)) return false;
  constexpr double kDraws = 1U << 24U;
  return plan_.share >= 1 || static_cast<double>(new_number() % (1U << 24U)) < plan_.share * kDraws;
}

PackTotals PackAudit::run() {
  if (plan_.share >= 1 && plan_.not_read_for.count() == 0) check_journals();
  std::set<std::uint64_t> there, due;
  for_each_object(*layout_.storage, Layout::kPackObjects, [&](const ListedObject& object) {
    const auto number = pack_number(base_name(object.name));
    if (!number) return true;
    there.insert(*number);
    if (chosen(*number) && due.insert(*number).second) all_bytes_ += object.bytes;
    return true;
  });
  totals_.left_out = there.size() - due.size();
  for (const std::uint64_t number : due) check(number);
  if (plan_.payloads) dates_.save(there);
  return totals_;
}

void PackAudit::check_journals() {
  for (const std::uint64_t number : list_packs(layout_.journals())) {
    const std::string path = layout_.journal(number);
    const auto journal = open_reader(path);
    if (!journal) continue;  // a pack by now
    check_pack(*journal, path, {store_, number}, false, plan_.payloads,
               {[&](const std::string& text) {
                  report_({text, false});
                },
                [&](std::uint64_t from, std::uint64_t to) {
                  places_.push_back({number, from, to});
                }});
    read_.insert(number);
  }
}

void PackAudit::check(std::uint64_t number) {
  const std::string name = Layout::pack_object(number);
  const std::string path = layout_.storage->shown(name);
  const std::size_t before = places_.size();
  bool good = true;
  try {
    const std::unique_ptr<ObjectReader> pack = layout_.storage->open(name);
    if (!pack) {
      // Cleaned away meanwhile, or somebody moved it.
      if (all_packs(layout_).empty() || !std::ranges::binary_search(all_packs(layout_), number)) return;
      report_({"a pack lies in the wrong folder: " + quoted(path) + " was expected", false});
      return;
    }
    check_pack(*pack, path, {store_, number}, true, plan_.payloads,
               {[&](const std::string& text) {
                  good = false;
                  report_({text, false});
                },
                [&](std::uint64_t from, std::uint64_t to) {
                  places_.push_back({number, from, to});
                }});
    totals_.bytes += pack->size();
    if (plan_.payloads) check_parity({store_, number});
  } catch (const Error& error) {
    if (error.kind() != Kind::Io) throw;
    places_.resize(before);  // nothing is known of it
    ++totals_.unreadable;
    return report_({quoted(path) + " cannot be read: " + error.what(), true});
  }
  ++totals_.packs;
  if (!good) ++totals_.damaged;
  if (plan_.payloads || !good) read_.insert(number);
  if (plan_.payloads && good) dates_.note(number);
  if (progress_) progress_(totals_.bytes, all_bytes_);
}

// A pack without parity is whole; damaged parity helps nobody on the day it is needed.
void PackAudit::check_parity(const PackRef& pack) {
  const std::string name = Layout::parity_object(pack.number);
  const std::unique_ptr<ObjectReader> parity = layout_.storage->open(name);
  if (!parity) {
    if (layout_.parity_percent > 0) ++totals_.without_parity;
    return;
  }
  const std::string path = quoted(layout_.storage->shown(name));
  try {
    const std::uint64_t damaged = count_damaged_parity(*parity, pack);
    if (damaged != 0)
      report_({path + ": " + std::to_string(damaged) +
                   " parts of this parity are damaged; `bkdb heal` makes it anew",
               false});
  } catch (const Error& error) {
    if (error.kind() != Kind::Corrupt) throw;
    report_({path + ": " + error.what() + "; `bkdb heal` makes it anew", false});
  }
}

}  // namespace bk::store
