#include "server/store/check.h"

#include "common/error/error.h"
#include "common/storage/folder_storage.h"
#include "common/text/escape.h"
#include "server/store/index.h"
#include "server/store/parity.h"
#include "server/store/scan.h"

namespace bk::store {
namespace {

using Report = std::function<void(const std::string&)>;

// A pack without parity is whole; damaged parity helps nobody on the day it is needed.
void check_parity_of(const Layout& layout, const PackRef& pack, const Report& report) {
  const std::string name = Layout::parity_object(pack.number);
  const std::unique_ptr<ObjectReader> parity = layout.storage->open(name);
  if (!parity) return;
  const std::string path = quoted(layout.storage->shown(name));
  try {
    const std::uint64_t damaged = count_damaged_parity(*parity, pack);
    if (damaged != 0)
      report(path + ": " + std::to_string(damaged) +
             " parts of this parity are damaged; `bkdb heal` makes it anew");
  } catch (const Error& error) {
    if (error.kind() != Kind::Corrupt) throw;
    report(path + ": " + error.what() + "; `bkdb heal` makes it anew");
  }
}

}  // namespace

void check_pack(ObjectReader& in, const std::string& path, const PackRef& pack, bool finished,
                const Report& report) {
  try {
    check_pack_header(read_exactly(in, 0, kPackHeaderBytes), pack);
  } catch (const Error& error) {
    if (error.kind() != Kind::Corrupt) throw;
    report(quoted(path) + ": " + error.what());
  }
  PackScan scan(in, pack);
  std::uint64_t groups = 0;
  Sha256 digests;
  bool sealed = false, intact = true;
  for (;;) {
    while (const std::optional<ScannedRecord> record = scan.next(true)) {
      if (sealed) report(quoted(path) + ": records follow the seal");
      if (record->head.type == RecordType::Seal) {
        sealed = true;
        if (intact &&
            (record->head.sealed_groups != groups || record->head.sealed_digest != digests.finish()))
          report(quoted(path) + ": its records are not those that were sealed");
        continue;
      }
      if (record->head.type == RecordType::Group) ++groups;
      digests.update(record->digest);
    }
    if (scan.reason().empty()) break;
    const std::string damage =
        quoted(path) + " offset " + std::to_string(scan.offset()) + ": " + scan.reason();
    const bool more = scan.skip_to_next();
    // The end of a journal may be in the making, or torn by a crash: its next writer cuts it.
    if (more || finished) report(damage);
    intact = false;
    if (!more) break;
  }
  if (finished && intact && !sealed) report(quoted(path) + ": it is cut short, its seal is missing");
}

void check_packs(const Layout& layout, const StoreId& store, const Report& report) {
  for (const std::uint64_t number : list_packs(layout.journals())) {
    const std::string path = layout.journal(number);
    if (const auto journal = open_reader(path)) check_pack(*journal, path, {store, number}, false, report);
  }
  for (const std::uint64_t number : all_packs(layout)) {
    const std::string name = Layout::pack_object(number);
    const std::string path = layout.storage->shown(name);
    if (const auto pack = layout.storage->open(name))
      check_pack(*pack, path, {store, number}, true, report);
    else
      report("a pack lies in the wrong folder: " + quoted(path) + " was expected");
    check_parity_of(layout, {store, number}, report);
  }
}

}  // namespace bk::store
