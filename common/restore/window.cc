#include "common/restore/window.h"

#include "common/error/error.h"
#include "common/io/crash.h"
#include "common/text/escape.h"

#include <algorithm>
#include <cstring>

namespace bk {
namespace {

void require(bool within, const char* what) {
  if (!within) throw Error(Kind::Protocol, std::string("a window holds too many ") + what);
}

// Tells the window when the task is over, however it ends.
class TaskEnd {
 public:
  explicit TaskEnd(RestoreWindow& window) : window_(window) {}
  ~TaskEnd() { --window_.tasks; }
  TaskEnd(const TaskEnd&) = delete;
  TaskEnd& operator=(const TaskEnd&) = delete;

 private:
  RestoreWindow& window_;
};

}  // namespace

void RestoreWindow::fail(const RestorePlace& place, const std::string& reason) {
  const std::lock_guard<std::mutex> lock(mutex_);
  failures.push_back({place, reason});
}

RestoredFile& RestoreWindow::find(std::uint64_t number) const {
  if (number >= first_file && number - first_file < files.size()) return *files[number - first_file];
  if (carried && number + 1 == first_file) return *carried;
  throw Error(Kind::Protocol, "content of a file that is not in its window");
}

void RestoreWindow::count_attributes(std::size_t bytes) {
  attribute_bytes_ += bytes;
  // The last entry may be one of the largest that there are.
  require(attribute_bytes_ <= WindowLimits::kAttributeBytes + (4U << 20U), "bytes of names and attributes");
}

void RestoreWindow::count_directory(const Entry& entry) {
  require(++directories_ <= WindowLimits::kDirectories, "folders");
  count_attributes(attribute_bytes(entry));
}

void RestoreWindow::count_entry(const Entry& entry) {
  require(++entries_ <= WindowLimits::kEntries, "entries");
  count_attributes(attribute_bytes(entry));
}

void RestoreWindow::count_part(const FilePart& part) {
  std::size_t bytes = 0;
  for (const auto& [offset, inlined] : part.inlines) bytes += inlined.size();
  count_attributes(bytes);
}

void RestoreWindow::count_places(const std::vector<RestorePlace>& places) {
  places_ += places.size();
  require(places_ <= WindowLimits::kPlaces, "chunks");
  for (const RestorePlace& place : places) (void)find(place.file);
}

GroupTask::GroupTask(RestoreWindow& window, EncodedGroup group, std::vector<RestorePlace> places,
                     std::size_t id_bytes)
    : window_(window), group_(std::move(group)), places_(std::move(places)), id_bytes_(id_bytes) {
  ++window_.tasks;
}

// A place that says the same as the one before it is not looked at twice.
bool GroupTask::repeats(std::size_t i) const {
  return i > 0 && places_[i - 1].begin == places_[i].begin && places_[i - 1].bytes == places_[i].bytes &&
         places_[i - 1].id == places_[i].id;
}

std::vector<bool> GroupTask::right_places(std::string_view content) const {
  std::vector<ObjectContent> pieces;
  for (std::size_t i = 0; i < places_.size(); ++i)
    if (!repeats(i)) pieces.push_back({ObjectKind::Data, content.substr(places_[i].begin, places_[i].bytes)});
  const std::vector<ChunkId> ids = chunk_ids(pieces);
  std::vector<bool> right(places_.size());
  for (std::size_t i = 0, piece = 0; i < places_.size(); ++i) {
    right[i] = repeats(i)
                   ? right[i - 1]
                   : std::memcmp(ids[piece++].bytes.data(), places_[i].id.bytes.data(), id_bytes_) == 0;
  }
  return right;
}

void GroupTask::run(Scratch& scratch) {
  const TaskEnd end(window_);
  crash_point("bkdb.export_group");
  for (const RestorePlace& place : places_)
    if (place.bytes == 0 || place.begin > group_.content_bytes ||
        place.bytes > group_.content_bytes - place.begin)
      throw Error(Kind::Protocol, "a place outside of its group");
  try {
    write(scratch.decoder.decode_into(group_, scratch.content));
  } catch (const Error& error) {
    if (error.kind() != Kind::Corrupt) throw;
    for (const RestorePlace& place : places_) window_.fail(place, error.what());
  }
}

void GroupTask::write(std::string_view content) {
  std::vector<FileRun> runs;
  const RestorePlace* last = nullptr;  // the place before, when its bytes are right and not written yet
  const std::vector<bool> right = right_places(content);
  for (std::size_t i = 0; i < places_.size(); ++i) {
    const RestorePlace& place = places_[i];
    if (last != nullptr && last->file != place.file) {
      window_.find(last->file).put(runs);
      runs.clear();
      last = nullptr;
    }
    if (!right[i]) {
      window_.fail(place, "a chunk's content differs from its identity");
      continue;
    }
    const std::string_view bytes = content.substr(place.begin, place.bytes);
    if (!runs.empty() && runs.back().offset + runs.back().bytes.size() == place.offset &&
        runs.back().bytes.end() == bytes.begin())
      runs.back().bytes = {runs.back().bytes.data(), runs.back().bytes.size() + bytes.size()};
    else
      runs.push_back({place.offset, bytes});
    last = &place;
  }
  if (last != nullptr) window_.find(last->file).put(runs);
}

KeepTask::KeepTask(RestoreWindow& window, std::shared_ptr<Offered> offered, std::size_t begin,
                   std::size_t end)
    : window_(window), offered_(std::move(offered)), begin_(begin), end_(end) {
  ++window_.tasks;
}

void KeepTask::run(Scratch& scratch) {
  const TaskEnd end(window_);
  const std::span<const RestorePlace> places = std::span(offered_->places).subspan(begin_, end_ - begin_);
  const std::vector<bool> kept = window_.find(places.front().file).keep(places, scratch.content);
  std::copy(kept.begin(), kept.end(), offered_->kept.begin() + static_cast<std::ptrdiff_t>(begin_));
}

BareTask::BareTask(RestoreWindow& window, std::vector<std::shared_ptr<RestoredFile>> files)
    : window_(window), files_(std::move(files)) {
  ++window_.tasks;
}

void BareTask::run(Scratch&) {
  const TaskEnd end(window_);
  for (const auto& file : files_) file->settle(0);
}

}  // namespace bk
