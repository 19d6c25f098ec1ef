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

// The bytes of a pack that holds content in small groups that shrank, so was never compressed anew; else 0.
std::uint64_t worth_compressing(StoreImpl& store, std::uint64_t number) {
  const auto file = open_if_readable(*store.layout().storage, Layout::pack_object(number));
  if (!file) return 0;
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
  const bool worth = groups > 0 && all >= kWorthIt && content / groups < kTightGroupContent / 2 &&
                     payload * 100 < content * kStubbornPercent;
  return worth ? file->size() : 0;
}

}  // namespace

void Cleaner::compress_anew() {
  std::vector<std::pair<std::uint64_t, std::uint64_t>> packs;  // number, bytes
  std::uint64_t done = 0, all = 0;
  for (const std::uint64_t number : all_packs(store_.layout())) {
    const std::uint64_t bytes = worth_compressing(store_, number);
    if (bytes > 0) packs.emplace_back(number, bytes);
    all += bytes;
  }
  Repacker repacker(store_, options_.compress_level, [&](std::uint64_t of_this_one) {
    if (options_.compressing) options_.compressing(done + of_this_one, all);
  });
  const auto finish = [&] { remove_packs(repacker.finish()); };
  for (const auto& [number, bytes] : packs) {
    if (repacker.copy(number, {}))
      ++totals_.packs_rewritten;
    else
      leave(repacker.problem());
    done += bytes;
    if (repacker.waiting_bytes() >= kCopiedTogether) finish();
  }
  finish();
  totals_.copied_bytes += repacker.copied_bytes();
}

}  // namespace bk::store
