#include "server/pull/agentless/sftp_tree.h"

#include "common/io/file.h"
#include "common/path/names.h"
#include "common/text/escape.h"
#include "proto/pull/messages.h"
#include "server/pull/agentless/words.h"

#include <sys/stat.h>

#include <algorithm>
#include <utility>

namespace bk::pull {
namespace {

constexpr std::size_t kMaxPathBytes = 4000;  // what SFTP servers open by name ends at PATH_MAX
constexpr std::size_t kMaxMarkers = 1000;

}  // namespace

SftpTree::SftpTree(ssh::Session& session, ssh::Sftp& sftp, Surroundings& around, Note note)
    : session_(session),
      sftp_(sftp),
      around_(around),
      note_(std::move(note)),
      end_(Clock::now() + around.total),
      exclude_(around.rules.exclude),
      spill_(std::make_shared<SpillFile>(around.home + "/tmp")) {
  ensure_directory(around.home + "/tmp");
  if (around.begun) noted_node_ = around.begun->node;
}

Pulled SftpTree::run(const std::string& root) {
  begin(root);
  try {
    while (!stack_.empty()) {
      step();
      maybe_checkpoint();
    }
  } catch (const Error& error) {
    if (error.kind() == Kind::Transient || error.kind() == Kind::Cancelled) keep_what_is_there();
    throw;
  }
  return std::move(out_);
}

void SftpTree::begin(const std::string& root) {
  Entry entry;
  entry.type = EntryType::Directory;
  try {
    const ssh::Sftp::Facts facts = sftp_.look_at(root);
    if (!facts.mode || entry_type(*facts.mode) != EntryType::Directory)
      throw Error(Kind::Refused, quoted(root) + " is no directory on the client; a tree is one");
    set_facts(entry, facts);
    real_root_ = sftp_.real_path(root);
    if (around_.rules.one_file_system) {
      const std::optional<std::uint64_t> found = sftp_.file_system(root);
      if (!found)
        throw Error(Kind::Refused,
                    "one_file_system = yes, but this client's SFTP server does not tell file systems apart");
      file_system_ = *found;
    }
  } catch (const Error& error) {
    if (error.kind() == Kind::NotFound) throw Error(Kind::Refused, error.what());
    throw;
  }
  doubt_ = around_.previous && around_.store.suffers(around_.previous->id);
  Known known;
  if (around_.previous && around_.previous->root.type == EntryType::Directory)
    known.old = around_.previous->root;
  if (around_.begun) {
    known.begun.emplace().type = EntryType::Directory;
    known.begun->node = around_.begun->node;
  }
  push(std::move(entry), root, "", known);
}

void SftpTree::report(const std::string& reason, const std::string& below) {
  ++out_.skipped_count;
  if (out_.skipped.size() < kMaxReports)
    out_.skipped.push_back(reason + " " + percent_encode(below.empty() ? "." : below));
}

// A server that failed once can still be asked; behind a line that broke every entry would be unreadable.
void SftpTree::require_line(const Error& error) {
  try {
    (void)sftp_.look_at(stack_.front().path);
  } catch (const Error&) {
    throw Error(Kind::Transient, error.what());
  }
}

bool SftpTree::still_there(const Error& error, const std::string& below) {
  keep_limits();
  if (!session_.alive()) throw Error(Kind::Transient, error.what());
  if (error.kind() == Kind::NotFound) return false;
  if (error.kind() != Kind::Refused && error.kind() != Kind::Transient)
    throw Error(error.kind(), error.what());
  if (error.kind() == Kind::Transient) require_line(error);
  report(error.kind() == Kind::Refused ? "unreadable:EACCES" : "unreadable", below);
  return true;
}

void SftpTree::push(Entry entry, std::string path, std::string below, const Known& known) {
  if (!stack_.empty()) stack_.back().names.set_aside(spill_);
  Level& level = stack_.emplace_back(spill_);
  level.entry = std::move(entry);
  level.path = std::move(path);
  level.below = std::move(below);
  level.writer = std::make_unique<store::DirectoryWriter>(around_.writer);
  const auto damaged = doubt_ ? OldDirectory::Damaged::Ends : OldDirectory::Damaged::Throws;
  if (known.old && known.old->type == EntryType::Directory)
    level.old.emplace(around_.store, known.old->node, OldDirectory::See::All, damaged);
  if (known.begun && known.begun->type == EntryType::Directory) {
    level.begun_node = known.begun->node;
    level.begun.emplace(around_.store, known.begun->node, OldDirectory::See::All,
                        OldDirectory::Damaged::Ends);
  }
  ++out_.directories;
  list(level);
}

void SftpTree::list(Level& level) {
  const auto give_up = [&](const std::string& why) {
    level.entry.unreadable = true;
    level.names.clear();
    if (!why.empty()) report(why, level.below);
  };
  if (level.path.size() > kMaxPathBytes) return give_up("unreadable:ENAMETOOLONG");
  try {
    if (is_foreign(level)) return level.names.clear();
    list_names(level);
    if (leads_elsewhere(level.path, level.below)) give_up(kElsewhere);
  } catch (const Error& error) {
    give_up(still_there(error, level.below) ? "" : "unreadable:ENOENT");
  }
}

void SftpTree::list_names(Level& level) {
  std::vector<Listed> markers;
  sftp_.list(level.path, [&](std::string name, const ssh::Sftp::Facts& facts) {
    if (!is_component(name))
      throw Error(Kind::Protocol, "the SFTP server lists " + quoted(name) + " in " + quoted(level.path) +
                                      ": no name of a file");
    keep_limits();
    if (may_mark(name, facts) && markers.size() < kMaxMarkers) markers.push_back({name, facts});
    const bool directory = facts.mode && S_ISDIR(*facts.mode);
    if (exclude_.empty() || !exclude_.match(joined(level.below, name), directory))
      level.names.add(name, facts);
  });
  std::erase_if(markers, [&](const Listed& marker) { return !marks(level, marker.name); });
  if (!markers.empty()) level.names = Listing(spill_);  // they alone are kept
  for (const Listed& marker : markers) level.names.add(marker.name, marker.facts);
  level.names.sort();
}

bool SftpTree::may_mark(const std::string& name, const ssh::Sftp::Facts& facts) const {
  if (around_.rules.exclude_caches && name == kCacheTag && facts.mode && S_ISREG(*facts.mode)) return true;
  const auto& names = around_.rules.exclude_if_present;
  return std::find(names.begin(), names.end(), name) != names.end();
}

bool SftpTree::marks(const Level& level, const std::string& name) {
  const auto& names = around_.rules.exclude_if_present;
  if (std::find(names.begin(), names.end(), name) != names.end()) return true;
  try {
    return sftp_.read_beginning(joined(level.path, name), kCacheSignature.size()) == kCacheSignature;
  } catch (const Error& error) {
    if (error.kind() == Kind::NotFound || error.kind() == Kind::Refused) return false;
    throw;
  }
}

bool SftpTree::is_foreign(const Level& level) {
  return around_.rules.one_file_system && !level.below.empty() &&
         sftp_.file_system(level.path) != file_system_;
}

// True when some component of the path is a symlink by now.
bool SftpTree::leads_elsewhere(const std::string& path, const std::string& below) {
  return sftp_.real_path(path) != (below.empty() ? real_root_ : joined(real_root_, below));
}

void SftpTree::keep_limits() const {
  around_.alive();
  around_.poll();
  if (Clock::now() > end_)
    throw Error(Kind::Cancelled, "the pull took longer than its time limit, limits.pull_timeout");
}

void SftpTree::step() {
  Level& level = stack_.back();
  const std::optional<Listed> listed = level.names.next();
  if (!listed) return leave();
  keep_limits();
  if (listed->name == level.last_name)
    throw Error(Kind::Protocol,
                "the SFTP server lists " + quoted(listed->name) + " in " + quoted(level.path) + " twice");
  level.last_name = listed->name;
  Known known;
  if (level.old) known.old = level.old->take(listed->name);
  if (level.begun) known.begun = level.begun->take(listed->name);
  add(level, *listed, std::move(known));
}

void SftpTree::leave() {
  Level level = std::move(stack_.back());
  stack_.pop_back();
  const auto done = level.writer->finish();
  level.entry.node = done.node;
  level.entry.has_subdirectories = done.has_subdirectories;
  if (stack_.empty()) {
    out_.root = std::move(level.entry);
  } else {
    stack_.back().writer->add(level.entry);
  }
}

void SftpTree::add(Level& level, const Listed& listed, Known known) {
  Entry entry;
  const auto type = listed.facts.mode ? entry_type(*listed.facts.mode) : std::nullopt;
  const std::string below = joined(level.below, listed.name);
  if (!type || *type == EntryType::CharDevice || *type == EntryType::BlockDevice)
    return report("unsupported", below);
  if (*type == EntryType::File && listed.facts.bytes > around_.rules.max_file_bytes)
    return report(skip_reason_word(SkipReason::Large), below);
  entry.name = listed.name;
  entry.type = *type;
  set_facts(entry, listed.facts);
  if (entry.type == EntryType::Directory)
    return push(std::move(entry), joined(level.path, listed.name), below, known);
  if (!complete(level, entry, listed, std::move(known))) return;
  level.writer->add(entry);
  if (entry.type != EntryType::File) {
    ++out_.others;
    return;
  }
  ++out_.files;
  out_.bytes += entry.size;
}

bool SftpTree::complete(Level& level, Entry& entry, const Listed& listed, Known known) {
  if (entry.type == EntryType::Symlink) return read_link(level, entry);
  if (entry.type != EntryType::File) return true;
  entry.size = listed.facts.bytes;
  return take_over(entry, known) || read_file(level, entry, known.begun);
}

bool SftpTree::read_link(Level& level, Entry& entry) {
  const std::string below = joined(level.below, entry.name);
  try {
    entry.target = sftp_.read_link(joined(level.path, entry.name));
  } catch (const Error& error) {
    (void)still_there(error, below);
    return false;  // a link without a target would be a lie
  }
  entry.size = entry.target.size();
  return !entry.target.empty() && entry.target.size() <= kMaxTargetBytes;
}

}  // namespace bk::pull
