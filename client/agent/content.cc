#include "client/agent/content.h"

#include "client/agent/beneath.h"
#include "common/chunk/chunk_id.h"
#include "common/error/error.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

namespace bk::agent {

namespace {

constexpr std::size_t kBatchBytes = kTargetGroupContent;
constexpr std::size_t kBatchItems = 4096;
constexpr std::size_t kBatchItemBytes = 1U << 20U;
// Content waiting for the server's need, on a near and on a far line: 8 MiB are up to 160 MB/s at 50 ms, with
// what waits in queues.
constexpr std::size_t kOpenBytes = 6U << 20U, kFarOpenBytes = 8U << 20U;
constexpr std::chrono::milliseconds kFar{10};
constexpr unsigned kSureOfNeed = 4;  // Needs that ask for nearly everything, before content comes unasked
// Beside 192, on 40,000 files of 0 to 4 KiB: a fifth less index and possession, 4 % more sent.  1024 would
// send another 12 % for a fifth more.
constexpr std::size_t kInlineFile = 512;
constexpr std::size_t kReadBytes = 768U << 10U;  // some fifty chunks, hashed together
constexpr std::uint64_t kToldEvery = 8192;  // kept chunks before the server hears of them: it sends more then
constexpr int kAttempts = 3;
constexpr std::uint64_t kRetryLimit =
    64U << 20U;  // a larger file is read once: a log that grows would cost thrice

bool same_moment(const timespec& a, const timespec& b) {
  return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

bool unchanged(const struct stat& a, const struct stat& b) {
  return a.st_size == b.st_size && same_moment(a.st_mtim, b.st_mtim) && same_moment(a.st_ctim, b.st_ctim);
}

bool looks_sparse(const struct stat& facts) { return facts.st_blocks * 512 < facts.st_size; }

}  // namespace

// Batches.

void Batcher::add(pull::RecipeItem item) {
  item_bytes_ += 48;
  if (const auto* begin = std::get_if<pull::BeginFile>(&item)) {
    for (const Xattr& attribute : begin->xattrs)
      item_bytes_ += attribute.name.size() + attribute.value.size() + 8;
  } else if (const auto* text = std::get_if<pull::InlineItem>(&item)) {
    item_bytes_ += text->bytes.size();
  }
  items_.push_back(std::move(item));
  if (items_.size() >= kBatchItems || item_bytes_ >= kBatchItemBytes) flush();
}

void Batcher::add_kept(std::int64_t skip) {
  auto* last = items_.empty() ? nullptr : std::get_if<pull::KeptItem>(&items_.back());
  if (skip == 0 && last != nullptr && last->count < pull::kOldWindow) {
    ++last->count;
  } else {
    add(pull::KeptItem{skip, 1});
  }
}

std::size_t Batcher::room() const { return round_trip_ > kFar ? kFarOpenBytes : kOpenBytes; }

void Batcher::flush_and_wait() {
  flush();
  wait_();
}

void Batcher::add_chunk(std::string_view content, const ChunkId& id, bool resembles) {
  resembles_ = resembles_ || resembles;
  // Growing by doubling would leave twice of what a batch needs.
  if (current_.content.capacity() < kBatchBytes) {
    current_.content = line_.spare();
    current_.content.reserve(kBatchBytes + kBatchBytes / 8);
  }
  current_.content.append(content);
  current_.lengths.push_back(static_cast<std::uint32_t>(content.size()));
  add(pull::ChunkItem{static_cast<std::uint32_t>(content.size()), id});
  if (current_.content.size() >= kBatchBytes) flush();
}

bool Batcher::may_come_unasked() const {
  return sent_ && !resembles_ && !current_.lengths.empty() && in_need_ >= kSureOfNeed &&
         open_.size() < pull::kMaxUnaskedBatches;
}

// Of the chunks of the batch, those that were not sent before.
pull::Bitmap Batcher::choose_unasked() {
  pull::Bitmap fresh;
  for (const pull::RecipeItem& item : items_) {
    if (const auto* chunk = std::get_if<pull::ChunkItem>(&item)) fresh.push_back(!sent_->add(chunk->id));
  }
  return fresh;
}

// The recipe says so itself; the server's Need will only tell whether it was right to.
void Batcher::send_unasked(pull::Bitmap chunks) {
  std::string content = std::exchange(current_.content, {});
  if (!chunks.all()) {
    std::string part = needed_content({0, std::move(content), current_.lengths, {}}, chunks);
    content = std::move(part);
  }
  current_.unasked = std::move(chunks);
  line_.send_group(current_.batch, std::move(content));
}

void Batcher::flush() {
  if (items_.empty()) return;
  while (open_bytes_ > room()) wait_();
  while (!may_come_unasked() && open_.size() >= pull::kMaxOpenBatches) wait_();
  current_.batch = next_batch_++;
  std::optional<pull::Bitmap> fresh;
  if (sent_) fresh = choose_unasked();
  if (!may_come_unasked() || fresh->count() == 0) fresh.reset();
  if (fresh) items_.emplace_back(pull::UnaskedItem{*fresh});
  resembles_ = false;
  line_.send(pull::FrameType::Recipe, pull::Recipe{current_.batch, std::exchange(items_, {})});
  item_bytes_ = 0;
  if (current_.lengths.empty()) return;  // nothing to ask for
  if (fresh) send_unasked(std::move(*fresh));
  open_bytes_ += current_.content.size();
  open_.push_back(std::exchange(current_, {}));
  asked_.push_back(Clock::now());
}

void Batcher::take(pull::Signatures signatures) {
  if (open_.empty() || open_.front().batch != signatures.batch || signatures_ || open_.front().unasked) {
    throw Error(Kind::Protocol, "the server's Signatures belong to no open batch");
  }
  signatures_ = std::move(signatures);
}

void Batcher::learn_from(const BatchContent& batch, const pull::Bitmap& need) {
  std::uint64_t named = 0, needed = 0;
  for (std::size_t i = 0; i < batch.lengths.size(); ++i) {
    if (batch.unasked && !batch.unasked->test(i)) continue;
    named += batch.lengths[i];
    needed += need.test(i) ? batch.lengths[i] : 0;
  }
  in_need_ = needed >= named - named / 8 ? std::min(in_need_ + 1, kSureOfNeed) : 0;
}

void Batcher::answer(const pull::Need& need) {
  if (open_.empty() || open_.front().batch != need.batch ||
      open_.front().lengths.size() != need.chunks.size()) {
    throw Error(Kind::Protocol, "the server's Need answers no open batch");
  }
  BatchContent batch = std::move(open_.front());
  open_.pop_front();
  open_bytes_ -= batch.content.size();
  const Clock::duration took = Clock::now() - asked_.front();
  asked_.pop_front();
  if (round_trip_ == Clock::duration(0) || took < round_trip_) round_trip_ = took;
  if (sent_) learn_from(batch, need.chunks);
  if (batch.unasked) return;
  const auto signatures = std::exchange(signatures_, std::nullopt);
  if (need.chunks.count() == 0) return line_.give_back(std::move(batch.content));
  if (signatures) {
    const auto delta = answer_with_delta(batch, need.chunks, *signatures, encoder_);
    if (delta) {
      line_.send(pull::FrameType::Delta, *delta);
      return line_.give_back(std::move(batch.content));
    }
  }
  if (need.chunks.all()) return line_.send_group(batch.batch, std::move(batch.content));
  line_.send_group(batch.batch, needed_content(batch, need.chunks));
  line_.give_back(std::move(batch.content));
}

// Files.

FileReader::FileReader(WalkContext& context, Batcher& batcher, OldContents& old, Line& line,
                       const ChunkerParams& params)
    : context_(context),
      batcher_(batcher),
      old_(old),
      line_(line),
      cutter_(params),
      buffer_(std::max<std::size_t>(kReadBytes, 2 * std::size_t{params.max_bytes}), '\0') {
  static_assert(Prefetcher::kSmall <= kReadBytes);
}

std::vector<Xattr> FileReader::attributes(int fd, std::string_view path, std::string_view name) {
  XattrResult result = read_xattrs(fd);
  attributes_lost_ = result.error != 0;
  if (attributes_lost_) context_.report(pull::SkipReason::Xattr, result.error, join_below(path, name));
  return std::move(result.xattrs);
}

void FileReader::read(int directory, std::string_view path, const Entry& entry, std::uint64_t page,
                      std::uint64_t index, OpenedFile opened, std::uint64_t begun) {
  ++files_;
  context_.at_work();
  (void)old_.begin(page, index);
  for (int attempt = 1;; ++attempt) {
    struct stat& before = opened.before;
    if (!opened.fd) opened.fd = open_regular(directory, entry.name.c_str(), before);
    if (!opened.fd || (!opened.read && fstat(opened.fd.get(), &before) != 0))
      return give_up(path, entry, page, index, errno);
    if (!opened.read) settle(before);
    std::vector<Xattr> xattrs = attributes(opened.fd.get(), path, entry.name);
    const bool whole = opened.read || attributes_lost_ || !is_still(entry, before);
    const std::uint64_t from = whole ? 0 : std::exchange(begun, 0);
    const Attempt done = read_once(opened, {page, index, std::move(xattrs)}, from);
    if (done.outcome == Outcome::Unreadable) {
      context_.report(pull::SkipReason::Unreadable, done.error, join_below(path, entry.name));
      return end(pull::FileStatus::Unreadable, entry, nullptr, 0);
    }
    if (done.outcome == Outcome::Stable) {
      // Flagged, so that the next run reads it again, and names it again.
      const auto status = attributes_lost_ ? pull::FileStatus::Changed : pull::FileStatus::Ok;
      return end(status, entry, &done.after, done.bytes);
    }
    const bool once_more = from > 0;  // two moments must not be mixed: from its beginning
    if (!once_more && (attempt == kAttempts || static_cast<std::uint64_t>(before.st_size) > kRetryLimit)) {
      context_.report(pull::SkipReason::Changed, 0, join_below(path, entry.name));
      return end(pull::FileStatus::Changed, entry, &done.after, done.bytes);
    }
    old_.end();   // once is enough for what changes all the time
    opened = {};  // by name again: it may have been replaced
  }
}

bool FileReader::is_still(const Entry& entry, const struct stat& now) const {
  return to_stat(now, context_.devices.ordinal(now.st_dev)) == pull::stat_of(entry);
}

void FileReader::give_up(std::string_view path, const Entry& entry, std::uint64_t page, std::uint64_t index,
                         int error) {
  (void)old_.begin(page, index);
  kept_ = false;  // what an attempt before this one kept is forgotten with it
  batcher_.add(pull::BeginFile{page, index, {}});
  if (means_vanished(error)) {
    ++context_.counters.vanished;
    return end(pull::FileStatus::Vanished, entry, nullptr, 0);
  }
  context_.report(pull::SkipReason::Unreadable, error, join_below(path, entry.name));
  end(pull::FileStatus::Unreadable, entry, nullptr, 0);
}

FileReader::Attempt FileReader::read_once(const OpenedFile& file, const pull::BeginFile& begin,
                                          std::uint64_t from) {
  Attempt attempt;
  const struct stat& before = file.before;
  batcher_.add(begin);
  if (from > 0) batcher_.add(pull::ContinuedItem{from});
  attempt.bytes = from;
  (void)sum_.finish();
  kept_ = false;
  told_base_ = 0;
  attempt.error = send_content(file, attempt.bytes);
  bytes_ += attempt.bytes - from;
  current_bytes_ = 0;
  if (attempt.error == 0 && fstat(file.fd.get(), &attempt.after) != 0) attempt.error = errno;
  if (attempt.error != 0) {
    attempt.outcome = Outcome::Unreadable;
    return attempt;
  }
  const bool whole = attempt.bytes == static_cast<std::uint64_t>(before.st_size);
  if (whole && unchanged(before, attempt.after)) return attempt;
  // Unlinked or replaced by rename while we read the old file: that is whole, and was true a moment ago.
  if (whole && attempt.after.st_nlink == 0 && same_moment(before.st_mtim, attempt.after.st_mtim)) {
    attempt.after = before;
    return attempt;
  }
  attempt.outcome = Outcome::Changed;
  return attempt;
}

void FileReader::begin_cutting(const OpenedFile& file) {
  if (file.read) return cutter_.begin(file.content);
  std::array<char, FileCutter::kHeadBytes> head{};
  const ssize_t got = pread(file.fd.get(), head.data(), head.size(), 0);
  cutter_.begin({head.data(), got > 0 ? static_cast<std::size_t>(got) : 0});
}

int FileReader::send_content(const OpenedFile& file, std::uint64_t& sent) {
  const auto size = static_cast<std::uint64_t>(file.before.st_size);
  begin_cutting(file);
  if (file.read) {
    std::copy(file.content.begin(), file.content.end(), buffer_.begin());
    return send_range(file.fd.get(), 0, size, sent, file.content.size());
  }
  if (looks_sparse(file.before)) return send_sparse(file.fd.get(), size, sent);
  return send_range(file.fd.get(), sent, size, sent);
}

int FileReader::send_sparse(int fd, std::uint64_t size, std::uint64_t& sent) {
  std::uint64_t at = sent;
  while (at < size && at == sent) {
    const off_t found = lseek(fd, static_cast<off_t>(at), SEEK_DATA);
    if (found < 0 && errno != ENXIO) return send_range(fd, at, size, sent);
    const std::uint64_t data = found < 0 ? size : std::min(size, static_cast<std::uint64_t>(found));
    if (data > at) batcher_.add(pull::HoleItem{data - at});
    sent += data - at;
    if (data == size) break;
    const off_t end = lseek(fd, static_cast<off_t>(data), SEEK_HOLE);
    at = end < 0 ? size : std::min(size, static_cast<std::uint64_t>(end));
    const int error = send_range(fd, data, at, sent);
    if (error != 0) return error;
  }
  return 0;
}

int FileReader::send_range(int fd, std::uint64_t from, std::uint64_t to, std::uint64_t& sent,
                           std::size_t have) {
  const bool small = from == 0 && to <= kInlineFile;
  from += have;
  while (from < to || have > 0) {
    while (have < buffer_.size() && from < to) {
      const std::size_t room = std::min<std::uint64_t>(buffer_.size() - have, to - from);
      const ssize_t got = pread(fd, buffer_.data() + have, room, static_cast<off_t>(from));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return errno;
      if (got == 0) to = from;  // it became shorter: the stat afterwards says so
      have += static_cast<std::size_t>(got);
      from += static_cast<std::uint64_t>(got);
    }
    current_bytes_ = sent;
    context_.at_work();
    std::string_view rest(buffer_.data(), have);
    if (small && have > 0) {
      batcher_.add(pull::InlineItem{std::string(rest)});
      sent += have;
      return 0;
    }
    sent += cut_and_add(rest, sent, from >= to);
    std::copy(rest.begin(), rest.end(), buffer_.begin());
    have = rest.size();
  }
  return 0;
}

// All that can be cut from the beginning of `rest`, which stands at `at`; returns how much that was.
std::size_t FileReader::cut_and_add(std::string_view& rest, std::uint64_t at, bool at_end) {
  const std::size_t before = rest.size();
  cuts_.clear();
  while (!rest.empty()) {
    const std::size_t cut = cutter_.next_cut(rest, at + before - rest.size(), at_end);
    if (cut == 0) break;
    cuts_.push_back({ObjectKind::Data, rest.substr(0, cut)});
    rest.remove_prefix(cut);
  }
  const std::vector<ChunkId> ids = chunk_ids(cuts_);
  for (std::size_t i = 0; i < ids.size(); ++i) add_chunk(cuts_[i].content, ids[i]);
  return before - rest.size();
}

void FileReader::add_chunk(std::string_view content, const ChunkId& id) {
  if (!old_.active()) return batcher_.add_chunk(content, id, false);
  sum_.add(id);
  while (old_.must_wait()) batcher_.flush_and_wait();
  if (const auto kept = old_.look_up(id)) {
    kept_ = true;
    batcher_.add_kept(kept->skip);
  } else {
    batcher_.add_chunk(content, id, true);
  }
  if (old_.base() < told_base_ + kToldEvery) return;
  told_base_ = old_.base();
  batcher_.flush();
}

void FileReader::end(pull::FileStatus status, const Entry& entry, const struct stat* after,
                     std::uint64_t bytes) {
  if (std::exchange(kept_, false)) batcher_.add(pull::SumItem{sum_.finish()});
  old_.end();
  pull::EndFile item{status, std::nullopt};
  if (after != nullptr) {
    pull::Stat stat = to_stat(*after, context_.devices.ordinal(after->st_dev));
    stat.size = bytes;
    if (stat != pull::stat_of(entry)) item.after = stat;
  }
  batcher_.add(std::move(item));
}

}  // namespace bk::agent
