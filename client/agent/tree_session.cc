#include "client/agent/tree_session.h"

#include "client/agent/beneath.h"
#include "common/error/error.h"
#include "proto/pull/features.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>

namespace bk::agent {

namespace {

constexpr std::size_t kPendingDirectories = 2048;
constexpr std::size_t kPendingBytes = 4U << 20U;
// Pages whose Wants is awaited: at a round trip of 50 ms 80,000 files, or 5,000 directories, a second.
constexpr std::size_t kOpenPages = 256;
constexpr std::size_t kOpenEntries = 4096;

std::size_t page_weight(const Entry& entry) {
  std::size_t bytes = entry.name.size() + entry.target.size() + 64;
  for (const Xattr& attribute : entry.xattrs) bytes += attribute.name.size() + attribute.value.size() + 8;
  return bytes;
}

WalkContext& reporting_to(TreeSession& session, WalkContext& context, Line& line) {
  context.at_work = [&line, told = std::move(context.at_work)] {
    line.tick();
    told();
  };
  context.report = [&session](pull::SkipReason reason, int error, std::string_view path) {
    session.report(reason, error, path);
  };
  return context;
}

}  // namespace

TreeSession::TreeSession(Line& line, WalkContext& context, const ChunkerParams& params,
                         const std::vector<std::string>& features, std::string server)
    : line_(line),
      context_(context),
      windows_(pull::has_feature(features, pull::kFeatureWindows)),
      resume_(pull::has_feature(features, pull::kFeatureResume)),
      stripes_(pull::has_feature(features, pull::kFeatureStripes)),
      server_(std::move(server)),
      batcher_(
          line, [this] { receive_one(); }, pull::has_feature(features, pull::kFeatureUnasked)),
      reader_(context, batcher_, old_, line, params),
      walker_(reporting_to(*this, context, line)) {}

void TreeSession::report(pull::SkipReason reason, int error, std::string_view path) {
  if (++skipped_ > pull::kMaxReports) return;
  line_.send(pull::FrameType::Skipped, pull::Skipped{reason, static_cast<std::uint32_t>(error),
                                                     std::string(path.substr(0, pull::kMaxReportPathBytes))});
}

void TreeSession::run() {
  for (;;) {
    while (auto frame = line_.try_receive()) dispatch(*frame);
    context_.at_work();
    if (step()) continue;
    if (batcher_.has_items()) {
      batcher_.flush();  // nothing more to add for now: don't let it wait
    } else if (walking_ || !pending_.empty() || sending_ || !pages_.empty() || !batcher_.idle()) {
      receive_one();
    } else {
      break;
    }
  }
  send_done();
}

bool TreeSession::step() { return read_step() || page_step() || walk_step(); }

void TreeSession::send_done() {
  const WalkCounters& c = context_.counters;
  line_.send(pull::FrameType::Done, pull::Done{line_.frames_sent(), c.files, c.directories, c.others, c.bytes,
                                               skipped_, c.vanished, reader_.files(), reader_.bytes()});
  line_.finish();
}

// What the server answers.

void TreeSession::receive_one() { dispatch(line_.receive()); }

void TreeSession::dispatch(const pull::Frame& frame) {
  switch (frame.type) {
    case pull::FrameType::Verdicts:
      return on_verdicts(pull::decode_verdicts(frame.payload));
    case pull::FrameType::Wants:
      return on_wants(pull::decode_wants(frame.payload));
    case pull::FrameType::Need:
      return batcher_.answer(pull::decode_need(frame.payload));
    case pull::FrameType::Stripes:
      return on_stripes(pull::decode_stripes(frame.payload));
    case pull::FrameType::Continue:
      return on_continue(pull::decode_continue(frame.payload));
    case pull::FrameType::OldFiles:
    case pull::FrameType::OldContent:
    case pull::FrameType::Signatures:
      return on_windows(frame);
    default:
      throw Error(Kind::Protocol,
                  fmt::format("the server sent {} in the middle of a pull", frame_name(frame.type)));
  }
}

void TreeSession::on_verdicts(const pull::Verdicts& message) {
  const std::size_t count = message.want.size();
  if (decided_ + count > pending_.size() || count == 0 || pending_[decided_].number != message.first) {
    throw Error(Kind::Protocol, "the server's Verdicts answer no open directory");
  }
  for (std::size_t i = 0; i < count; ++i) pending_[decided_++].want = message.want.test(i);
}

void TreeSession::on_wants(const pull::Wants& message) {
  const auto page = std::find_if(pages_.begin(), pages_.end(), [](const Page& p) { return !p.wants; });
  if (page == pages_.end() || page->number != message.page ||
      page->entries.size() != message.content.size()) {
    throw Error(Kind::Protocol, "the server's Wants answer no open page");
  }
  for (std::size_t i = 0; i < page->entries.size(); ++i) {
    if (message.content.test(i) && page->entries[i].type != EntryType::File) {
      throw Error(Kind::Protocol, "the server wants the content of an entry that has none");
    }
  }
  page->wants = message.content;
}

void TreeSession::on_continue(const pull::Continue& message) {
  const auto page = std::find_if(pages_.begin(), pages_.end(), [](const Page& p) { return !p.wants; });
  const bool due = page != pages_.end() && page->number == message.page && page->begun.empty();
  if (!resume_ || !due) throw Error(Kind::Protocol, "the server's Continue belongs to no open page");
  for (const pull::Continue::File& file : message.files) {
    if (file.index >= page->entries.size() || page->entries[file.index].type != EntryType::File)
      throw Error(Kind::Protocol, "the server has the beginning of an entry that has no content");
  }
  page->begun = message.files;
}

void TreeSession::on_stripes(const pull::Stripes& message) {
  if (!std::exchange(stripes_, false))
    throw Error(Kind::Protocol, "the server asks for stripes unagreed, or twice");
  line_.send(pull::FrameType::Tickets, pull::Tickets{line_.open_stripes(message.count, server_)});
}

void TreeSession::on_windows(const pull::Frame& frame) {
  if (!windows_) throw Error(Kind::Protocol, "the server uses the feature windows, which was not agreed");
  if (frame.type == pull::FrameType::OldContent) return old_.take(pull::decode_old_content(frame.payload));
  if (frame.type == pull::FrameType::Signatures) return batcher_.take(pull::decode_signatures(frame.payload));
  pull::OldFiles message = pull::decode_old_files(frame.payload);
  const auto page = std::find_if(pages_.begin(), pages_.end(), [](const Page& p) { return !p.wants; });
  if (page == pages_.end() || page->number != message.page || page->entries.size() != message.files.size()) {
    throw Error(Kind::Protocol, "the server's OldFiles belong to no open page");
  }
  old_.take(std::move(message));
}

// Walking.

bool TreeSession::walk_step() {
  if (!walking_ || pending_.size() >= kPendingDirectories || pending_bytes_ >= kPendingBytes) return false;
  auto event = walker_.next();
  if (!event) {
    walking_ = false;
    return true;
  }
  if (event->kind == WalkEvent::Kind::Enter) {
    line_.send(pull::FrameType::Enter, pull::Enter{event->name});
    return true;
  }
  event->leave.number = next_leave_++;
  line_.send(pull::FrameType::Leave, event->leave);
  pending_.push_back(
      {event->leave.number, std::move(event->path), std::move(event->records), event->id, event->kept, {}});
  pending_bytes_ += pending_.back().weight();
  return true;
}

// Pages.

bool TreeSession::page_step() {
  if (!sending_) {
    if (decided_ == 0) return false;
    begin_sending();
    return true;
  }
  if (pages_.size() >= kOpenPages || open_entries_ >= kOpenEntries) return false;
  std::vector<Entry> entries;
  std::size_t bytes = 0;
  while (entries.size() < pull::kMaxPageEntries && bytes < pull::kTargetPageBytes) {
    auto entry = next_entry();
    if (!entry) break;
    if (!complete_entry(*entry)) continue;
    bytes += page_weight(*entry);
    entries.push_back(std::move(*entry));
  }
  sending_->ahead = next_entry();
  send_page(std::move(entries), !sending_->ahead);
  return true;
}

void TreeSession::begin_sending() {
  Pending directory = std::move(pending_.front());
  pending_.pop_front();
  --decided_;
  pending_bytes_ -= directory.weight();
  if (!*directory.want) return;
  sending_ = Sending{};
  sending_->directory = std::move(directory);
  const Pending& d = sending_->directory;
  if (d.kept) {
    sending_->kept = std::make_unique<pull::ListingReader>(d.records);
    return;
  }
  sending_->fd = open_same_directory(context_.root.get(), d.path, d.id);
  sending_->again = std::make_unique<DirectoryScan>(context_, sending_->fd.get(), d.path, false);
  const int error = sending_->fd ? sending_->again->start() : errno;
  if (error == 0) return;
  if (means_vanished(error)) {
    ++context_.counters.vanished;
  } else {
    report(pull::SkipReason::Unreadable, error, d.path);
  }
}

std::optional<Entry> TreeSession::next_entry() {
  if (sending_->ahead) return std::exchange(sending_->ahead, std::nullopt);
  if (sending_->again) {
    Entry entry;
    if (!sending_->again->next(entry)) return std::nullopt;
    return entry;
  }
  if (sending_->kept->at_end()) return std::nullopt;
  return sending_->kept->next();
}

// Adds what only a look at the entry itself can tell.  False: it is gone.
bool TreeSession::complete_entry(Entry& entry) {
  if (entry.type == EntryType::Directory || entry.type == EntryType::File) return true;
  const Pending& directory = sending_->directory;
  if (!sending_->fd) sending_->fd = open_same_directory(context_.root.get(), directory.path, directory.id);
  const int fd = sending_->fd.get();
  if (entry.type == EntryType::Symlink) {
    entry.target = read_link_at(fd, entry.name);
    entry.size = entry.target.size();
    if (entry.target.empty() || entry.target.size() > pull::kMaxTargetBytes) {
      ++context_.counters.vanished;
      return false;
    }
  }
  XattrResult attributes = read_xattrs_at(fd, entry.name);
  if (means_vanished(attributes.error)) {
    ++context_.counters.vanished;
    return false;
  }
  if (attributes.error != 0) {
    report(pull::SkipReason::Xattr, attributes.error, join_below(sending_->directory.path, entry.name));
  }
  entry.xattrs = std::move(attributes.xattrs);
  return true;
}

void TreeSession::send_page(std::vector<Entry> entries, bool last) {
  pull::PayloadWriter records;
  for (const Entry& entry : entries) pull::append_record(records, entry);
  sending_->digest.update(records.view());
  pull::Entries message;
  message.page = next_page_++;
  message.directory = sending_->directory.number;
  message.last = last;
  if (last) message.listing = sending_->digest.finish();
  message.body = page_encoder_.encode(pull::encode_page(entries));
  line_.send(pull::FrameType::Entries, message);
  for (Entry& entry : entries) {
    if (entry.type == EntryType::File) continue;
    const EntryType type = entry.type;
    entry = {};
    entry.type = type;
  }
  open_entries_ += entries.size();
  pages_.push_back(
      {message.page, sending_->directory.path, sending_->directory.id, std::move(entries), {}, {}, {}, 0, 0});
  if (last) sending_.reset();
}

// Content.

// One file, or the end of a page.
bool TreeSession::read_step() {
  if (pages_.empty() || !pages_.front().wants) return false;
  read_ahead();
  Page& page = pages_.front();
  if (ahead_.empty() || ahead_.front().page != &page) {
    end_page();
    return true;
  }
  const std::size_t index = ahead_.front().index;
  ahead_.pop_front();
  const auto begun = std::find_if(page.begun.begin(), page.begun.end(),
                                  [&](const pull::Continue::File& file) { return file.index == index; });
  reader_.read(page.directory.get(), page.path, page.entries[index], page.number, index, prefetcher_.take(),
               begun == page.begun.end() ? 0 : begun->bytes);
  return true;
}

// Opens the next files that are wanted, of the following pages too.
void TreeSession::read_ahead() {
  if (prefetcher_.size() > Prefetcher::kMost / 2) return;
  for (;;) {
    if (begun_pages_ == 0 || pages_[begun_pages_ - 1].started == pages_[begun_pages_ - 1].entries.size()) {
      if (begun_pages_ == pages_.size() || !pages_[begun_pages_].wants) return;
      begin_page(pages_[begun_pages_++]);
    }
    Page& page = pages_[begun_pages_ - 1];
    for (; page.started < page.entries.size(); ++page.started) {
      if (!page.wants->test(page.started)) continue;
      if (prefetcher_.size() == Prefetcher::kMost) return;
      prefetcher_.start(page.directory.get(), page.entries[page.started].name.c_str());
      ahead_.push_back({&page, page.started});
    }
  }
}

void TreeSession::begin_page(Page& page) {
  open_entries_ -= page.entries.size();
  if (page.wants->count() != 0) {
    page.directory = open_same_directory(context_.root.get(), page.path, page.id);
    if (page.directory) return;
    page.error = errno;
  }
  page.started = page.entries.size();
}

void TreeSession::end_page() {
  Page& page = pages_.front();
  for (std::size_t i = 0; page.error != 0 && i < page.entries.size(); ++i) {
    if (page.wants->test(i)) reader_.give_up(page.path, page.entries[i], page.number, i, page.error);
  }
  pages_.pop_front();
  --begun_pages_;
}

}  // namespace bk::agent
