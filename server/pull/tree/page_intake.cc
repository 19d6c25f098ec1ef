#include "server/pull/tree/page_intake.h"

#include "common/error/error.h"
#include "proto/pull/listing.h"

#include <algorithm>

namespace bk::pull {

// Pages come for the wanted directories in the order of their Leave, all pages of one after another.
HeldDirectory& PageIntake::directory_of(const Entries& message) {
  if (message.page != next_page_) throw Error(Kind::Protocol, "Entries out of order");
  const auto at =
      std::lower_bound(held_.left.begin(), held_.left.end(), receiving_,
                       [](const auto& d, std::uint64_t number) { return d->leave.number < number; });
  const auto due = std::find_if(at, held_.left.end(), [](const auto& d) { return d->want && !d->all_pages; });
  if (due == held_.left.end() || (*due)->leave.number != message.directory) {
    throw Error(Kind::Protocol, "Entries of a directory that was not asked for, or not now");
  }
  receiving_ = message.directory;
  return **due;
}

void PageIntake::check_page(HeldDirectory& directory, const Entries& message,
                            const std::vector<Entry>& page) {
  if (page.empty() && !(message.last && directory.entries == 0))
    throw Error(Kind::Protocol, "an empty page of entries");
  if (!page.empty() && !directory.last_name.empty() && page.front().name <= directory.last_name) {
    throw Error(Kind::Protocol, "the agent's pages are not in order");
  }
  PayloadWriter records;
  for (const Entry& entry : page) append_record(records, entry);
  directory.records.update(records.view());
  directory.entries += page.size();
  if (!page.empty()) directory.last_name = page.back().name;
  if (!message.last) return;
  directory.all_pages = true;
  directory.listing = directory.records.finish();
  if (directory.listing != message.listing) throw Error(Kind::Protocol, "a listing differs from its digest");
}

namespace {

std::uint64_t content_bytes(const std::optional<Entry>& file) {
  std::uint64_t bytes = 0;
  if (file && file->type == EntryType::File && !file->unreadable) {
    for (const Extent& extent : file->content) bytes += extent.bytes;
  }
  return bytes;
}

// The version to compare with: a checkpoint may hold less of a file than the previous snapshot, or more.
std::vector<Extent> longer(std::optional<Entry>& old, std::optional<Entry>& begun) {
  std::optional<Entry>& better = content_bytes(begun) > content_bytes(old) ? begun : old;
  return content_bytes(better) == 0 ? std::vector<Extent>{} : std::move(better->content);
}

// True when `begun` is the beginning of this very file, equal by all that tells a change.
bool may_go_on(const Entry& begun, const Entry& now) {
  return begun.type == EntryType::File && begun.unreadable && !begun.content.empty() &&
         begun.size == now.size && begun.mtime == now.mtime && begun.ctime == now.ctime &&
         begun.inode == now.inode;
}

void send_continue(AgentLine& line, const HeldPage& page) {
  if (page.begun.empty()) return;
  Continue message{page.number, {}};
  for (const auto& [index, beginning] : page.begun) message.files.push_back({index, beginning.bytes});
  line.send(FrameType::Continue, message);
}

}  // namespace

// Folded anew, chunk by chunk: lists over lists would become deeper with every cut.
bool PageIntake::keep_beginning(HeldPage& page, std::size_t index, const Entry& begun) {
  if (!resume_ || page.begun.size() == kMaxContinued) return false;
  HeldBeginning beginning{0, store::ExtentFolder(writer_)};
  try {
    store::for_each_extent(store_, begun, [&](const Extent& extent) {
      beginning.bytes += extent.bytes;
      beginning.folder.add(extent);
    });
  } catch (const Error& error) {
    if (error.kind() != Kind::Corrupt) throw;
    return false;  // read again
  }
  if (beginning.bytes > begun.size) return false;
  page.begun.emplace(index, std::move(beginning));
  return true;
}

PageIntake::Content PageIntake::content_of(HeldPage& page, Entry& entry, std::size_t index) {
  HeldDirectory& directory = *page.directory;
  if (entry.type == EntryType::Directory) return Content::Known;
  std::optional<Entry> old, begun;
  if (directory.old_entries) old = directory.old_entries->take(entry.name);
  if (directory.begun_entries) begun = directory.begun_entries->take(entry.name);
  if (entry.type != EntryType::File) return Content::Known;
  for (std::optional<Entry>* stored : {&old, &begun}) {
    if (!*stored || !same_content(**stored, entry) || !is_there(**stored)) continue;
    entry.content = std::move((*stored)->content);
    entry.xattrs = std::move((*stored)->xattrs);
    return Content::Known;
  }
  if (entry.links > 1 && links_.fill(entry)) return Content::Linked;
  if (begun && may_go_on(*begun, entry) && keep_beginning(page, index, *begun)) return Content::Wanted;
  page.held_bytes += old_.add_file(index, longer(old, begun));
  return Content::Wanted;
}

void PageIntake::entries(const Entries& message) {
  HeldDirectory& directory = directory_of(message);
  HeldPage page;
  page.number = next_page_++;
  page.directory = &directory;
  page.last = message.last;
  try {
    page.entries =
        decode_page(decoder_.decode(message.body.codec, message.body.bytes, message.body.content_bytes));
  } catch (const Error& error) {
    throw Error(Kind::Protocol, error.what());  // a damaged body is the agent's fault, not our store's
  }
  check_page(directory, message, page.entries);
  if (directory.old && !directory.old_entries)
    directory.old_entries.emplace(store_, directory.old->node, OldDirectory::See::All,
                                  doubt_ ? OldDirectory::Damaged::Ends : OldDirectory::Damaged::Throws);
  if (directory.begun && !directory.begun_entries) {
    directory.begun_entries.emplace(store_, directory.begun->node, OldDirectory::See::All,
                                    OldDirectory::Damaged::Ends);
  }
  Wants wants{page.number, {}};
  for (std::size_t i = 0; i < page.entries.size(); ++i) {
    const Content content = content_of(page, page.entries[i], i);
    wants.content.push_back(content == Content::Wanted);
    page.linked.push_back(content == Content::Linked);
    page.ready.push_back(content == Content::Wanted ? kNotEnded : 0);
    page.held_bytes += weight_of(page.entries[i]);
  }
  old_.add_page(page.number, page.entries.size());
  if (page.last) directory.old_entries.reset();
  if (page.last) directory.begun_entries.reset();
  entries_ += page.entries.size();
  held_.add(page.held_bytes);
  page.wanted = wants.content;
  page.dropped.resize(page.entries.size());
  page.open_files = page.wanted.count();
  send_continue(line_, page);
  line_.send(FrameType::Wants, wants);
  held_.pages.push_back(std::move(page));
}

}  // namespace bk::pull
