#include "server/pull/agentless/sftp_tree.h"

#include "common/io/file.h"
#include "common/path/names.h"
#include "common/text/escape.h"
#include "proto/pull/messages.h"
#include "server/store/extents.h"

#include <algorithm>
#include <utility>

namespace bk::pull {
namespace {

constexpr std::size_t kMaxPathBytes = 4000;          // what SFTP servers open by name ends at PATH_MAX
constexpr std::size_t kInlineFile = 512;             // as the agent does it
constexpr std::uint64_t kRetryLimit = 64ULL << 20U;  // a larger file is read once
constexpr int kAttempts = 3;
// Times are whole seconds of the client's clock, our comparison is with our own.
constexpr std::int64_t kYoungSeconds = 2;

void set_facts(Entry& entry, const ssh::Sftp::Facts& facts) {
  entry.mode = facts.mode.value_or(0) & 07777;
  entry.uid = facts.uid;
  entry.gid = facts.gid;
  entry.mtime = {facts.mtime, 0};
}

std::string joined(const std::string& directory, const std::string& name) {
  return directory.empty() || directory.ends_with('/') ? directory + name : directory + "/" + name;
}

}  // namespace

SftpTree::SftpTree(ssh::Session& session, ssh::Sftp& sftp, Surroundings& around)
    : session_(session),
      sftp_(sftp),
      around_(around),
      end_(std::chrono::steady_clock::now() + around.total),
      spill_(std::make_shared<SpillFile>(around.home + "/tmp")) {
  ensure_directory(around.home + "/tmp");
}

Pulled SftpTree::run(const std::string& root) {
  ssh::Sftp::Facts facts;
  try {
    facts = sftp_.look_at(root);
  } catch (const Error& error) {
    if (error.kind() == Kind::NotFound) throw Error(Kind::Refused, error.what());
    throw;
  }
  if (!facts.mode || entry_type(*facts.mode) != EntryType::Directory)
    throw Error(Kind::Refused, quoted(root) + " is no directory on the client; a tree is one");
  Entry entry;
  entry.type = EntryType::Directory;
  set_facts(entry, facts);
  std::optional<Entry> old;
  doubt_ = around_.previous && around_.store.suffers(around_.previous->id);
  if (around_.previous && around_.previous->root.type == EntryType::Directory) old = around_.previous->root;
  push(std::move(entry), root, "", old);
  while (!stack_.empty()) step();
  return std::move(out_);
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
  check_time();
  if (!session_.alive()) throw Error(Kind::Transient, error.what());
  if (error.kind() == Kind::NotFound) return false;
  if (error.kind() != Kind::Refused && error.kind() != Kind::Transient)
    throw Error(error.kind(), error.what());
  if (error.kind() == Kind::Transient) require_line(error);
  report(error.kind() == Kind::Refused ? "unreadable:EACCES" : "unreadable", below);
  return true;
}

void SftpTree::push(Entry entry, std::string path, std::string below, const std::optional<Entry>& old) {
  if (!stack_.empty()) stack_.back().names.set_aside(spill_);
  Level& level = stack_.emplace_back(spill_);
  level.entry = std::move(entry);
  level.path = std::move(path);
  level.below = std::move(below);
  level.writer = std::make_unique<store::DirectoryWriter>(around_.writer);
  if (old && old->type == EntryType::Directory)
    level.old.emplace(around_.store, old->node, OldDirectory::See::All,
                      doubt_ ? OldDirectory::Damaged::Ends : OldDirectory::Damaged::Throws);
  ++out_.directories;
  list(level);
}

void SftpTree::list(Level& level) {
  if (level.path.size() > kMaxPathBytes) {
    report("unreadable:ENAMETOOLONG", level.below);
    level.entry.unreadable = true;
    return;
  }
  try {
    sftp_.list(level.path, [&](std::string name, const ssh::Sftp::Facts& facts) {
      if (!is_component(name))
        throw Error(Kind::Protocol, "the SFTP server lists " + quoted(name) + " in " + quoted(level.path) +
                                        ": no name of a file");
      level.names.add(name, facts);
      around_.alive();
    });
    level.names.sort();
  } catch (const Error& error) {
    level.entry.unreadable = true;
    level.names.clear();
    if (!still_there(error, level.below)) report("unreadable:ENOENT", level.below);
  }
}

void SftpTree::check_time() const {
  if (std::chrono::steady_clock::now() > end_)
    throw Error(Kind::Transient, "the pull lasted longer than limits.pull_timeout");
}

void SftpTree::step() {
  Level& level = stack_.back();
  const std::optional<Listed> listed = level.names.next();
  if (!listed) return leave();
  around_.alive();
  check_time();
  if (listed->name == level.last_name)
    throw Error(Kind::Protocol,
                "the SFTP server lists " + quoted(listed->name) + " in " + quoted(level.path) + " twice");
  level.last_name = listed->name;
  std::optional<Entry> old;
  if (level.old) old = level.old->take(listed->name);
  add(level, *listed, std::move(old));
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

void SftpTree::add(Level& level, const Listed& listed, std::optional<Entry> old) {
  Entry entry;
  const auto type = listed.facts.mode ? entry_type(*listed.facts.mode) : std::nullopt;
  const std::string below = joined(level.below, listed.name);
  if (!type || *type == EntryType::CharDevice || *type == EntryType::BlockDevice)
    return report("unsupported", below);
  entry.name = listed.name;
  entry.type = *type;
  set_facts(entry, listed.facts);
  if (entry.type == EntryType::Directory)
    return push(std::move(entry), joined(level.path, listed.name), below, old);
  if (!complete(level, entry, listed, std::move(old))) return;
  level.writer->add(entry);
  if (entry.type != EntryType::File) {
    ++out_.others;
    return;
  }
  ++out_.files;
  out_.bytes += entry.size;
}

bool SftpTree::complete(Level& level, Entry& entry, const Listed& listed, std::optional<Entry> old) {
  if (entry.type == EntryType::Symlink) return read_link(level, entry);
  if (entry.type != EntryType::File) return true;
  entry.size = listed.facts.bytes;
  if (old && same_file(*old, entry) &&
      (!doubt_ || store::content_is_there(around_.store, around_.writer, *old))) {
    entry.content = std::move(old->content);
    return true;
  }
  return read_file(level, entry);
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

bool SftpTree::same_file(const Entry& old, const Entry& now) const {
  return old.type == EntryType::File && !old.changed_while_read && !old.unreadable && old.size == now.size &&
         old.mtime == now.mtime && now.mtime.seconds + kYoungSeconds < around_.previous->began.seconds;
}

bool SftpTree::read_file(Level& level, Entry& entry) {
  const std::string path = joined(level.path, entry.name);
  const std::string below = joined(level.below, entry.name);
  try {
    for (int attempt = 1; !read_once(path, entry); ++attempt) {
      if (attempt < kAttempts && entry.size <= kRetryLimit) continue;
      entry.changed_while_read = true;
      report("changed", below);
      break;
    }
  } catch (const Error& error) {
    if (!still_there(error, below)) return false;
    entry.unreadable = true;
    entry.content.clear();
  }
  return true;
}

// False when it changed meanwhile; the entry holds what came.
bool SftpTree::read_once(const std::string& path, Entry& entry) {
  std::string small;
  std::uint64_t bytes = 0;
  store::StreamWriter stream(around_.writer, around_.store.chunker());
  const auto around = sftp_.read_file(path, [&](std::string_view piece) {
    check_time();  // a file may have no end
    bytes += piece.size();
    out_.done.bytes += piece.size();
    out_.done.received_bytes += piece.size();
    out_.done.directories = out_.directories;
    out_.done.stored_bytes = around_.writer.totals().stored_bytes;
    around_.alive();
    around_.progress(out_.done);
    if (bytes <= kInlineFile) {
      small += piece;
      return;
    }
    stream.feed(std::exchange(small, {}));
    stream.feed(piece);
  });
  ++out_.done.files;
  entry.content = stream.finish();
  if (bytes > 0 && bytes <= kInlineFile)
    entry.content = {Extent{Extent::Kind::Inline, bytes, {}, std::move(small)}};
  set_facts(entry, around.after);
  entry.size = bytes;
  return around.before == around.after && bytes == around.after.bytes;
}

}  // namespace bk::pull
