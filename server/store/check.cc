#include "common/error/error.h"
#include "common/io/file.h"
#include "common/text/escape.h"
#include "server/store/index.h"
#include "server/store/scan.h"
#include "server/store/store_impl.h"

#include <fcntl.h>

namespace bk::store {
namespace {

using Report = std::function<void(const std::string&)>;

// Walks the heads of one file; payloads are compared with their digests, without decoding.
void check_pack(const std::string& path, const PackRef& pack, bool finished, const Report& report) {
  const Fd fd = open_file(path, O_RDONLY);
  try {
    check_pack_header(read_exactly(fd.get(), 0, kPackHeaderBytes), pack);
  } catch (const Error& error) {
    if (error.kind() != Kind::Corrupt) throw;
    report(quoted(path) + ": " + error.what());
  }
  PackScan scan(fd.get(), pack);
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

}  // namespace

void check_packs(const Layout& layout, const StoreId& store, const Report& report) {
  for (const std::uint64_t number : list_packs(layout.journals())) {
    const std::string path = layout.journal(number);
    if (path_exists(path)) check_pack(path, {store, number}, false, report);
  }
  for (const std::uint64_t number : all_packs(layout)) {
    const std::string path = layout.pack(number);
    if (!path_exists(path))
      report("a pack lies in the wrong folder: " + quoted(path) + " was expected");
    else
      check_pack(path, {store, number}, true, report);
  }
}

}  // namespace bk::store
