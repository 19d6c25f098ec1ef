#include "server/store/appender.h"

#include "common/io/crash.h"

#include <utility>

namespace bk::store {
namespace {

// Ids cost 32 bytes that do not compress.  They are kept in a group's table, where a rebuild reads them
// without decoding, as long as that is next to nothing; for groups of many tiny chunks they are left to the
// content.
constexpr std::size_t kIdsWorthPercent = 1;

}  // namespace

std::uint64_t Appender::append(const EncodedGroup& group, const std::vector<StoredChunk>& chunks) {
  const Journal::Retire retire = [this](std::uint64_t number) { return store_.index().retire(number); };
  store_.index().refresh();
  if (!journal_) journal_.emplace(Journal::acquire(store_.layout(), store_.id(), retire));
  RecordHead head;
  head.codec = group.codec;
  head.content_bytes = group.content_bytes;
  head.ids_omitted = chunks.size() * 32 * 100 > group.bytes.size() * kIdsWorthPercent;
  head.chunks = chunks;
  const std::uint64_t offset = journal_->append(std::move(head), group.bytes);
  crash_point("store.group-appended");
  store_.index().live().note(journal_->number(), offset, journal_->end(), chunks);
  const std::uint64_t bytes = journal_->end() - offset;
  if (store_.index().crowded(journal_->number())) {
    journal_->sync();
    store_.index().cover(journal_->number());
    store_.index().merge_if_idle();
  }
  if (!journal_->full()) return bytes;
  Journal finished = *std::exchange(journal_, std::nullopt);
  finished.finish(retire);
  store_.index().merge_if_idle();  // a first backup may take days before it commits
  return bytes;
}

void Appender::sync() {
  if (journal_) {
    journal_->sync();
    store_.index().cover(journal_->number());
  }
  store_.index().live().sync_others(journal_ ? journal_->number() : 0);
}

}  // namespace bk::store
