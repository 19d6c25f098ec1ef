#include "server/store/repack.h"

#include "common/error/error.h"
#include "common/io/crash.h"
#include "common/io/file.h"
#include "common/text/escape.h"
#include "server/store/bad_sectors.h"

#include <algorithm>

namespace bk::store {
namespace {

// Each of the decoded chunks, compared with its identity before anything is done with it.
void check_chunks(const RecordHead& head, const StoreId& store, std::string_view content,
                  const std::vector<StoredChunk>& chunks) {
  RecordHead whole = head;
  whole.ids_omitted = false;
  whole.chunks = chunks;
  for_each_chunk(whole, store, content, [](std::size_t, const StoredChunk&, std::string_view) {});
}

}  // namespace

bool Repacker::copy(std::uint64_t number, const Unneeded& unneeded) {
  const std::string path = quoted(store_.layout().storage->shown(Layout::pack_object(number)));
  problem_ = path + " is gone";
  const auto file = open_if_readable(*store_.layout().storage, Layout::pack_object(number), &problem_);
  if (!file) return false;
  done_.push_back(number);  // from now on no reason to leave a chunk out
  BadSectors bad;
  PatientReader pack(*file, bad);
  try {
    PackScan scan(pack, {store_.id(), number});
    bool sealed = false;
    while (const std::optional<ScannedRecord> record = scan.next(true)) {
      if (record->head.type == RecordType::Group) copy_group(pack, *record, unneeded);
      sealed = record->head.type == RecordType::Seal;
      copied_(record->end);
    }
    if (scan.reason().empty() && sealed) return true;
    problem_ = path + ": " + (scan.reason().empty() ? "its seal is missing" : scan.reason());
  } catch (const Error& error) {
    if (error.kind() != Kind::Corrupt) throw;
    problem_ = path + ": " + error.what();
  }
  if (!bad.empty()) problem_ = path + " cannot be read " + bad.text();
  done_.pop_back();
  return false;
}

void Repacker::copy_what_is_good(std::uint64_t number) {
  done_.push_back(number);
  const auto file = open_if_readable(*store_.layout().storage, Layout::pack_object(number));
  if (!file) return;
  BadSectors bad;
  PatientReader pack(*file, bad);
  try {
    PackScan scan(pack, {store_.id(), number});
    do {
      while (const std::optional<ScannedRecord> record = scan.next(true))
        if (record->head.type == RecordType::Group) copy_group(pack, *record, {});
    } while (!scan.reason().empty() && scan.skip_to_next());
  } catch (const Error& error) {
    if (error.kind() != Kind::Corrupt) throw;
    done_.pop_back();
  }
}

// What a journal held is remembered until the next look at the journals, and a file that is open can be read
// when it has no name any more: neither says that a pack is there.
bool Repacker::stands(std::uint64_t number) {
  const auto [known, first] = stands_.try_emplace(number, false);
  if (first)
    known->second = path_exists(store_.layout().journal(number)) ||
                    store_.layout().storage->exists(Layout::pack_object(number));
  return known->second;
}

bool Repacker::elsewhere(const StoredChunk& chunk) {
  if (collected_.contains(chunk.id)) return true;
  for (const Location& where : store_.index().find(chunk.kind, chunk.id)) {
    if (std::find(done_.begin(), done_.end(), where.pack) != done_.end()) continue;
    if (stands(where.pack) && store_.can_read(where, chunk.kind, chunk.id)) return true;
  }
  return false;
}

std::vector<bool> Repacker::needed(std::uint32_t offset, const std::vector<StoredChunk>& chunks,
                                   const Unneeded& unneeded) {
  std::vector<bool> out(chunks.size());
  for (std::size_t i = 0; i < chunks.size(); ++i)
    out[i] = !unneeded.contains({offset, static_cast<std::uint16_t>(i)}) && !elsewhere(chunks[i]);
  return out;
}

void Repacker::copy_group(ObjectReader& pack, const ScannedRecord& record, const Unneeded& unneeded) {
  const std::vector<StoredChunk> chunks = chunks_of(pack, record, decoder_);
  const std::vector<bool> stays = needed(static_cast<std::uint32_t>(record.offset), chunks, unneeded);
  const auto count = static_cast<std::size_t>(std::count(stays.begin(), stays.end(), true));
  if (count == 0) return;
  EncodedGroup group{record.head.codec,
                     read_exactly(pack, record.end - record.head.payload_bytes, record.head.payload_bytes),
                     record.head.content_bytes};
  uncover_payload(record.head, {record.pack, record.offset}, group.bytes);
  const std::string content = decoder_.decode(group.codec, group.bytes, group.content_bytes);
  check_chunks(record.head, store_.id(), content, chunks);
  const bool data = chunks.front().kind == ObjectKind::Data;
  const std::uint32_t enough = (data ? group_content_ : kTargetGroupContent) / 2;
  if (count == chunks.size() && content.size() >= enough) return append(group, chunks);
  std::size_t at = 0;
  for (std::size_t i = 0; i < chunks.size(); at += chunks[i++].bytes)
    if (stays[i]) collect(chunks[i], std::string_view(content).substr(at, chunks[i].bytes));
}

void Repacker::collect(const StoredChunk& chunk, std::string_view content) {
  Batch& batch = chunk.kind == ObjectKind::Data ? data_ : metadata_;
  if (!collected_.insert(chunk.id).second) return;
  if (batch.content.size() + content.size() > kMaxGroupContent || batch.chunks.size() == kMaxGroupChunks)
    flush(batch);
  batch.content += content;
  batch.chunks.push_back(chunk);
  if (batch.content.size() >= (&batch == &data_ ? group_content_ : kTargetGroupContent)) flush(batch);
}

void Repacker::flush(Batch& batch) {
  if (batch.chunks.empty()) return;
  append(encoder_.encode(batch.content), batch.chunks);
  for (const StoredChunk& chunk : batch.chunks) collected_.erase(chunk.id);
  batch = {};
}

void Repacker::append(const EncodedGroup& group, const std::vector<StoredChunk>& chunks) {
  const std::uint64_t bytes = appender_.append(group, chunks);
  waiting_bytes_ += bytes;
  copied_bytes_ += bytes;
}

std::vector<std::uint64_t> Repacker::finish() {
  flush(data_);
  flush(metadata_);
  appender_.sync();
  crash_point("store.clean.copied");
  waiting_bytes_ = 0;
  stands_.clear();
  return std::exchange(done_, {});
}

std::uint64_t drop_packs(StoreImpl& store, const std::vector<std::uint64_t>& numbers) {
  if (numbers.empty()) return 0;
  store.index().remove_packs(numbers);
  crash_point("store.clean.noted");
  std::uint64_t freed = 0;
  Storage& storage = *store.layout().storage;
  for (const std::uint64_t number : numbers) {
    if (const auto pack = open_if_readable(storage, Layout::pack_object(number))) freed += pack->size();
    storage.remove(Layout::parity_object(number));
    storage.remove(Layout::pack_object(number));
    crash_point("store.clean.pack-removed");
  }
  return freed;
}

}  // namespace bk::store
