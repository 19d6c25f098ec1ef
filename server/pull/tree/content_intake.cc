#include "server/pull/tree/content_intake.h"

#include "common/error/error.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace bk::pull {

namespace {

constexpr std::uint64_t kLeastBeginning = 32U << 20U;
constexpr std::size_t kFoldExtents = 256;  // more are folded while they come in

}  // namespace

void ContentIntake::recipe(Recipe message) {
  if (message.batch != next_batch_) throw Error(Kind::Protocol, "Recipe out of order");
  ++next_batch_;
  chunks_.clear();
  coming_unasked_.reset();
  windows_.begin_recipe();
  for (RecipeItem& item : message.items) {
    std::visit([this](auto& what) { apply(what); }, item);
  }
  windows_.end_recipe();
  asked_ = next_batch_;
  if (unasked_) line_.expect_before(next_batch_);
  if (!chunks_.empty()) ask_for(chunks_);
  finish_tails();
}

// Moves (page_, index_) to the next file whose content was asked for; at most kMaxPageEntries steps a page.
void ContentIntake::find_next_file() {
  file_page_ = nullptr;
  if (held_.pages.empty()) return;
  const std::uint64_t first = held_.pages.front().number;  // they are numbered without gaps
  for (std::uint64_t at = std::max(page_, first); at - first < held_.pages.size(); ++at) {
    HeldPage& page = held_.pages[at - first];
    if (page.number > page_) index_ = 0;
    page_ = page.number;
    for (; index_ < page.entries.size(); ++index_) {
      if (!page.wanted.test(index_)) continue;
      file_page_ = &page;
      return;
    }
    ++page_;
    index_ = 0;
  }
}

void ContentIntake::apply(BeginFile& item) {
  if (file_ == nullptr) find_next_file();
  if (file_page_ == nullptr || item.page != page_ || item.index != index_) {
    throw Error(Kind::Protocol, "the agent sends a file that was not asked for, or not now");
  }
  file_ = &file_page_->entries[index_];
  file_->content.clear();
  file_->xattrs = std::move(item.xattrs);
  file_bytes_ = file_batches_ = 0;
  continued_ = false;
  old_.begin(page_, index_);
  windows_.begin_file();
  (void)sum_.finish();
  sum_state_ = Sum::None;
  folder_.reset();
  marks_.clear();
  const std::size_t weight = weight_of(*file_);
  file_page_->held_bytes += weight;
  held_.add(weight);
}

void ContentIntake::add_extent(Extent extent) {
  if (file_ == nullptr) throw Error(Kind::Protocol, "content outside of a file");
  if (extent.bytes > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()) - file_bytes_) {
    throw Error(Kind::Protocol, "a file larger than files can be");
  }
  file_bytes_ += extent.bytes;
  bytes_ += extent.bytes;
  if (marks_.empty() || marks_.back().batch != next_batch_)
    marks_.push_back({next_batch_, file_->content.size()});
  file_->content.push_back(std::move(extent));
  file_page_->held_bytes += sizeof(Extent);
  held_.add(sizeof(Extent));
  if (file_->content.size() >= kFoldExtents && marks_.front().batch <= complete_batches()) fold_stored();
}

// I2: a list is written after the chunks it names, so only extents of complete batches are folded.
void ContentIntake::fold_stored() {
  std::size_t stored = file_->content.size();
  while (!marks_.empty() && marks_.front().batch <= complete_batches()) marks_.pop_front();
  if (!marks_.empty()) stored = marks_.front().first;
  if (folder_ == nullptr) folder_ = std::make_unique<store::ExtentFolder>(writer_);
  for (std::size_t i = 0; i < stored; ++i) folder_->add(std::move(file_->content[i]));
  file_->content.erase(file_->content.begin(), file_->content.begin() + static_cast<std::ptrdiff_t>(stored));
  for (Mark& mark : marks_) mark.first -= stored;
  file_page_->held_bytes -= stored * sizeof(Extent);
  held_.bytes -= stored * sizeof(Extent);
}

void ContentIntake::keep_tail() {
  if (folder_ == nullptr && file_->content.size() <= store::kInlineExtents) return;
  if (folder_ == nullptr) folder_ = std::make_unique<store::ExtentFolder>(writer_);
  tails_.push_back({file_, next_batch_, std::move(folder_), std::exchange(marks_, {})});
  file_page_->batches = file_batches_ = next_batch_;
}

// I2, as above: of the newest extents only those of complete batches.
std::vector<Extent> ContentIntake::beginning(const Entry& file, const store::ExtentFolder* folder,
                                             const std::deque<Mark>& marks) const {
  store::ExtentFolder copy = folder == nullptr ? store::ExtentFolder(writer_) : *folder;
  const auto coming = std::find_if(marks.begin(), marks.end(),
                                   [&](const Mark& mark) { return mark.batch > complete_batches(); });
  const std::size_t stored = coming == marks.end() ? file.content.size() : coming->first;
  for (std::size_t i = 0; i < stored; ++i) copy.add(file.content[i]);
  std::vector<Extent> out = copy.finish();
  std::uint64_t bytes = 0;
  for (const Extent& extent : out) bytes += extent.bytes;
  return bytes < kLeastBeginning ? std::vector<Extent>{} : out;
}

std::vector<Extent> ContentIntake::stored_beginning(const Entry& file) const {
  if (&file == file_) return beginning(file, folder_.get(), marks_);
  for (const Tail& tail : tails_) {
    if (tail.file == &file) return beginning(file, tail.folder.get(), tail.marks);
  }
  return {};
}

void ContentIntake::finish_tails() {
  for (; !tails_.empty() && tails_.front().batches <= complete_batches(); tails_.pop_front()) {
    Tail& tail = tails_.front();
    for (Extent& extent : tail.file->content) tail.folder->add(std::move(extent));
    tail.file->content = tail.folder->finish();
  }
}

void ContentIntake::apply(const ChunkItem& item) {
  if (item.bytes > params_.max_bytes) throw Error(Kind::Protocol, "a chunk larger than agreed");
  chunks_.push_back({item.id, ObjectKind::Data, item.bytes});
  windows_.chunk(item.bytes);
  if (old_.active()) sum_.add(item.id);
  old_.fresh();
  add_extent({Extent::Kind::Chunk, item.bytes, item.id, {}});
  file_page_->batches = file_batches_ = next_batch_;
}

void ContentIntake::apply(const KeptItem& item) {
  windows_.kept(item);
  for (const OldChunk& chunk : old_.kept(item)) {
    sum_.add(chunk.id);
    add_extent({Extent::Kind::Chunk, chunk.bytes, chunk.id, {}});
  }
  sum_state_ = Sum::Due;
}

void ContentIntake::apply(const SumItem& item) {
  if (sum_state_ != Sum::Due) throw Error(Kind::Protocol, "a sum that is not due");
  sum_state_ = sum_.finish() == item.sum ? Sum::Right : Sum::Wrong;
}

void ContentIntake::apply(const ContinuedItem& item) {
  const bool begins = file_ != nullptr && file_bytes_ == 0 && !continued_;
  const auto begun = begins ? file_page_->begun.find(index_) : decltype(file_page_->begun.begin()){};
  if (!begins || begun == file_page_->begun.end() || begun->second.bytes != item.bytes)
    throw Error(Kind::Protocol, "the agent goes on behind a beginning that it was not told of");
  folder_ = std::make_unique<store::ExtentFolder>(begun->second.folder);
  file_bytes_ = item.bytes;
  continued_ = true;
}

void ContentIntake::apply(const UnaskedItem& item) {
  if (!unasked_ || coming_unasked_ || item.chunks.size() != chunks_.size())
    throw Error(Kind::Protocol, "content that comes unasked and may not");
  coming_unasked_ = item.chunks;
}

void ContentIntake::apply(const HoleItem& item) { add_extent({Extent::Kind::Hole, item.bytes, {}, {}}); }

void ContentIntake::apply(InlineItem& item) {
  const std::uint64_t bytes = item.bytes.size();
  file_page_ != nullptr ? held_.add(bytes) : void();
  if (file_page_ != nullptr) file_page_->held_bytes += bytes;
  add_extent({Extent::Kind::Inline, bytes, {}, std::move(item.bytes)});
}

// What looked like an old chunk may have been another one, once in 2^40 pulls or when the agent lies.  The
// file is kept as what it then is, flagged, and read again in the next run.
void ContentIntake::check_length(const EndFile& item) {
  if (sum_state_ == Sum::Due) throw Error(Kind::Protocol, "kept chunks without their sum");
  if (sum_state_ == Sum::Wrong) {
    mistaken_.push_back(path_of(*file_page_->directory, file_->name));
    file_->size = file_bytes_;
  }
  if (item.status == FileStatus::Changed || sum_state_ == Sum::Wrong) {
    file_->changed_while_read = true;
    ++flagged_;
  }
  if (file_bytes_ != file_->size)
    throw Error(Kind::Protocol, "a file's content is not as long as its size says");
}

void ContentIntake::apply(const EndFile& item) {
  if (file_ == nullptr) throw Error(Kind::Protocol, "the end of a file that did not begin");
  if (continued_ && (item.after || item.status == FileStatus::Changed))
    throw Error(Kind::Protocol, "a file that changed was not read again from its beginning");
  if (item.after) set_stat(*file_, *item.after);
  switch (item.status) {
    case FileStatus::Changed:
    case FileStatus::Ok:
      check_length(item);
      break;
    case FileStatus::Vanished:
      file_page_->dropped[index_] = true;
      break;
    case FileStatus::Unreadable:
      file_->unreadable = true;
      file_->content.clear();
      break;
  }
  if (item.status == FileStatus::Ok || item.status == FileStatus::Changed) keep_tail();
  file_page_->ready[index_] = file_batches_;
  --file_page_->open_files;
  ++files_;
  windows_.end_file();
  old_.end(page_, index_);
  file_ = nullptr;
  ++index_;
}

bool ContentIntake::may_leave_one_more() const {
  const std::size_t owed = line_.has_stripes() ? kMaxOwedBatches : unasked_ ? kMaxOpenBatches : 0;
  return open_.size() < owed + (unasked_ ? kMaxUnaskedBatches : kMaxOpenBatches);
}

// What of it is needed, and, in `batch`, what comes.
Need ContentIntake::needs(const std::vector<store::ChunkRef>& chunks, Batch& batch) {
  std::vector<ChunkId> ids;
  ids.reserve(chunks.size());
  for (const store::ChunkRef& chunk : chunks) ids.push_back(chunk.id);
  const std::vector<bool> owned = writer_.possession().has(ids);
  Need need{batch.number, {}};
  for (std::size_t i = 0; i < chunks.size(); ++i) {
    const bool needed = !owned[i] && coming_.insert(ids[i]).second;
    const bool comes = coming_unasked_ ? coming_unasked_->test(i) : needed;
    if (needed && !comes) throw Error(Kind::Protocol, "the agent keeps back a chunk that it never sent");
    need.chunks.push_back(needed);
    if (comes) batch.needed.push_back(chunks[i]);
  }
  return need;
}

void ContentIntake::ask_for(const std::vector<store::ChunkRef>& chunks) {
  if (!may_leave_one_more())
    throw Error(Kind::Protocol,
                "the agent leaves more recipes without their content than the protocol allows");
  Batch batch{next_batch_ - 1, {}, {}};
  const Need need = needs(chunks, batch);
  if (!coming_unasked_) batch.windows = windows_.sign(need.batch, need.chunks);
  line_.send(FrameType::Need, need);
  open_.push_back(std::move(batch));
  drop_complete();
  line_.hold_needs(line_.has_stripes() && open_.size() >= kMaxOwedBatches);
}

void ContentIntake::drop_complete() {
  while (!open_.empty() && open_.front().needed.empty()) open_.pop_front();
}

ContentIntake::Batch& ContentIntake::due(std::uint64_t number) {
  const auto right = [&](const Batch& batch) { return batch.number == number && !batch.needed.empty(); };
  const bool any = line_.has_stripes() || unasked_;
  const auto first = any ? std::find_if(open_.begin(), open_.end(), right) : open_.begin();
  if (first == open_.end() || first->number != number) {
    throw Error(Kind::Protocol, "a Group or Delta that was not asked for, or not now");
  }
  return *first;
}

void ContentIntake::stored(Batch& batch) {
  for (const store::ChunkRef& chunk : batch.needed) coming_.erase(chunk.id);
  batch.needed.clear();
  drop_complete();
  finish_tails();
  line_.hold_needs(line_.has_stripes() && open_.size() >= kMaxOwedBatches);
}

void ContentIntake::group(const Group& message) {
  Batch& batch = due(message.batch);
  std::uint64_t bytes = 0;
  for (const store::ChunkRef& chunk : batch.needed) bytes += chunk.bytes;
  if (bytes != message.group.content_bytes)
    throw Error(Kind::Protocol, "a Group of another length than its chunks");
  if (!batch.windows.empty()) windows_.declined();
  writer_.put_group(message.group, batch.needed);
  stored(batch);
}

void ContentIntake::delta(const Delta& message) {
  Batch& batch = due(message.batch);
  const std::vector<std::string> contents = windows_.apply(message, batch.needed, batch.windows);
  for (std::size_t i = 0; i < contents.size(); ++i) {
    if (writer_.put(ObjectKind::Data, contents[i]) != batch.needed[i].id)
      throw Error(Kind::Protocol, "a Delta makes other chunks than were announced");
  }
  stored(batch);
}

}  // namespace bk::pull
