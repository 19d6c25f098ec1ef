// Compressing old packs harder, once, when nobody waits (`bkdb clean --compress`).
#include "common/error/error.h"
#include "server/store/bad_sectors.h"
#include "server/store/clean.h"

namespace bk::store {
namespace {

constexpr std::size_t kLookedAt = 8;                   // groups of a pack that speak for the others
constexpr std::uint64_t kWorthIt = 4U << 20U;          // content of a pack
constexpr std::uint64_t kStubbornPercent = 90;         // what hardly shrank will not shrink now
constexpr std::uint64_t kCopiedTogether = 64U << 20U;  // bytes, before what was copied goes

// Whether a pack holds content in small groups that shrank: it was never compressed anew.
bool worth_compressing(StoreImpl& store, std::uint64_t number) {
  const auto file = open_if_readable(*store.layout().storage, Layout::pack_object(number));
  if (!file) return false;
  BadSectors bad;
  PatientReader pack(*file, bad);
  PackScan scan(pack, {store.id(), number});
  std::uint64_t groups = 0, content = 0, payload = 0, all = 0;
  while (const std::optional<ScannedRecord> record = scan.next(false)) {
    const RecordHead& head = record->head;
    if (head.type != RecordType::Group) continue;
    all += head.content_bytes;
    if (groups == kLookedAt || head.chunks.front().kind != ObjectKind::Data) continue;
    ++groups;
    content += head.content_bytes;
    payload += head.payload_bytes;
  }
  return groups > 0 && all >= kWorthIt && content / groups < kTightGroupContent / 2 &&
         payload * 100 < content * kStubbornPercent;
}

}  // namespace

void Cleaner::compress_anew() {
  Repacker repacker(store_, options_.compress_level);
  const auto finish = [&] { remove_packs(repacker.finish()); };
  for (const std::uint64_t number : all_packs(store_.layout())) {
    if (!worth_compressing(store_, number)) continue;
    if (repacker.copy(number, {}))
      ++totals_.packs_rewritten;
    else
      ++totals_.packs_damaged;
    if (repacker.waiting_bytes() >= kCopiedTogether) finish();
  }
  finish();
  totals_.copied_bytes += repacker.copied_bytes();
}

}  // namespace bk::store
