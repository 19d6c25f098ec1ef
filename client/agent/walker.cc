#include "client/agent/walker.h"

#include "client/agent/beneath.h"
#include "client/agent/guarded.h"
#include "common/digest/sha256.h"
#include "common/error/error.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace bk::agent {

namespace {

constexpr std::size_t kOpenLevels = 48;          // descriptors that a walk holds at most
constexpr std::size_t kKeptRecords = 1U << 20U;  // a longer listing is made again when it is wanted
constexpr int kDirectory = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;

bool same_file(const struct stat& a, const struct stat& b) {
  return a.st_ino == b.st_ino && a.st_dev == b.st_dev;
}

bool has_cache_signature(int directory) {
  struct stat facts {};
  const Fd tag = open_regular(directory, kCacheTag.data(), facts);
  std::array<char, kCacheSignature.size()> begin{};
  return tag && pread(tag.get(), begin.data(), begin.size(), 0) == static_cast<ssize_t>(begin.size()) &&
         std::string_view(begin.data(), begin.size()) == kCacheSignature;
}

}  // namespace

std::string join_below(std::string_view directory, std::string_view name) {
  std::string path(directory);
  if (!path.empty()) path.push_back('/');
  return path.append(name);
}

// One directory.

int DirectoryScan::start() {
  const bool patterns = !context_.exclude.empty() || !context_.deny.empty() || context_.guard_keys;
  const bool markers = context_.exclude_caches || !context_.exclude_if_present.empty();
  if (!patterns && !markers) return names_.read(fd_, context_.names);
  bool marked = false;
  const int error = names_.read(fd_, context_.names, [&](const NameList::Name& name) {
    if (markers && is_marker(name)) return marked = true;
    return !patterns || !hidden(name);
  });
  if (error != 0 || !marked) return error;
  return names_.read(fd_, context_.names, [&](const NameList::Name& name) { return is_marker(name); });
}

// True when this entry says that the others of its directory are to be left out.
bool DirectoryScan::is_marker(const NameList::Name& name) const {
  const auto& markers = context_.exclude_if_present;
  if (std::find(markers.begin(), markers.end(), name.view()) != markers.end()) return true;
  return context_.exclude_caches && name.view() == kCacheTag && has_cache_signature(fd_);
}

bool DirectoryScan::hidden(const NameList::Name& name) {
  const bool guarded = context_.guard_keys && is_private_key(name.view());
  if (!guarded && context_.exclude.empty() && context_.deny.empty()) return false;
  match_path_.assign(path_);
  if (!path_.empty()) match_path_.push_back('/');
  match_path_.append(name.view());
  const bool is_directory = name.type == DT_DIR;
  if (context_.deny.match(match_path_, is_directory) || (guarded && !is_named(match_path_))) {
    if (first_) context_.report(pull::SkipReason::Denied, 0, match_path_);
    return true;
  }
  return context_.exclude.match(match_path_, is_directory);
}

bool DirectoryScan::is_named(std::string_view path) const {
  return std::any_of(context_.named.begin(), context_.named.end(), [&](std::string_view named) {
    if (named.empty() || path == named) return true;
    return path.size() > named.size() && path.starts_with(named) && path[named.size()] == '/';
  });
}

bool DirectoryScan::next(Entry& entry) {
  while (const auto name = names_.next()) {
    if (look_at(*name, entry)) return true;
  }
  return false;
}

bool DirectoryScan::look_at(const NameList::Name& name, Entry& entry) {
  entry.name.assign(name.view());
  entry.type = EntryType::Directory;
  if (name.type == DT_DIR) return true;
  if (fd_ < 0) return false;
  struct stat facts {};
  if (fstatat(fd_, name.text, &facts, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) != 0) {
    if (means_vanished(errno)) {
      ++context_.counters.vanished;
    } else {
      context_.report(pull::SkipReason::Unreadable, errno, join_below(path_, entry.name));
    }
    return false;
  }
  if (S_ISDIR(facts.st_mode)) {  // since it was listed: too late for this run
    ++context_.counters.vanished;
    return false;
  }
  if (S_ISREG(facts.st_mode) && static_cast<std::uint64_t>(facts.st_size) > context_.max_file_bytes) {
    if (first_) context_.report(pull::SkipReason::Large, 0, join_below(path_, entry.name));
    return false;
  }
  if (fill_entry(entry, facts, context_.devices.ordinal(facts.st_dev))) return true;
  context_.report(pull::SkipReason::Unreadable, ENOTSUP, join_below(path_, entry.name));
  return false;
}

// The walk.

struct TreeWalker::Level {
  std::size_t path_bytes = 0;  // of path_ up to and including this directory
  Fd fd;
  struct stat facts {};
  std::uint64_t device = 0;
  bool unreadable = false;  // not listed: no right, or an error
  bool foreign = false;     // not listed: another or a pseudo file system
  NameList names;
  std::size_t names_bytes = 0;     // of `names`, counted in names_bytes_
  std::size_t subdirectories = 0;  // handed out by `names` in this pass
  std::vector<bool> lost;          // of these, by number: not entered.  Short: all others were.
};

TreeWalker::~TreeWalker() = default;

TreeWalker::TreeWalker(WalkContext& context) : context_(context) {
  auto level = std::make_unique<Level>();
  level->fd = open_beneath(context.root.get(), "", kDirectory);
  check_sys(level->fd.get(), [] { return "opening the root"; });
  check_sys(fstat(level->fd.get(), &level->facts), [] { return "asking for the root"; });
  level->device = context.devices.of_directory(level->facts.st_dev, level->fd.get()).ordinal;
  if (!list_level(*level)) throw sys_error(ENOENT, "listing the root");
  stack_.push_back(std::move(level));
}

// False when it was removed since it was opened: what the kernel says of one that no name leads to.
bool TreeWalker::list_level(Level& level) {
  DirectoryScan scan(context_, level.fd.get(), path_);
  const int error = scan.start();
  if (error == ENOENT) return false;
  if (error != 0) {
    level.unreadable = true;
    context_.report(pull::SkipReason::Unreadable, error, path_);
    return true;
  }
  level.names = std::move(scan.names());
  keep_within_budget(level);
  return true;
}

void TreeWalker::keep_within_budget(Level& level) {
  if (names_bytes_ + level.names.memory_bytes() > 2 * context_.names.memory_bytes())
    level.names.spill(context_.names);
  names_bytes_ += level.names_bytes = level.names.memory_bytes();
}

std::string TreeWalker::level_path(std::size_t index) const {
  return path_.substr(0, stack_[index]->path_bytes);
}

int TreeWalker::descriptor(Level& level, std::size_t index) {
  if (!level.fd && !level.unreadable) {
    level.fd =
        open_same_directory(context_.root.get(), level_path(index), {level.facts.st_dev, level.facts.st_ino});
    open_from_ = std::min(open_from_, index);
    struct stat facts {};
    if (level.fd && (fstat(level.fd.get(), &facts) != 0 || !same_file(facts, level.facts))) {
      level.fd.reset();  // another directory stands there now
      errno = ENOENT;
    }
  }
  return level.fd.get();
}

void TreeWalker::close_far_levels() {
  for (; stack_.size() - open_from_ > kOpenLevels; ++open_from_) {
    stack_[open_from_]->fd.reset();
    stack_[open_from_]->names.drop_buffer();
  }
}

bool TreeWalker::next_subdirectory(Level& level, std::string& name) {
  while (const auto next = level.names.next()) {
    if (next->type != DT_DIR) continue;
    name.assign(next->view());
    return true;
  }
  return false;
}

std::optional<WalkEvent> TreeWalker::next() {
  WalkEvent event;
  while (!stack_.empty()) {
    Level& level = *stack_.back();
    if (!next_subdirectory(level, event.name)) return leave_level();
    const std::size_t number = level.subdirectories++;
    if (push(event.name)) return event;
    level.lost.resize(number + 1);
    level.lost[number] = true;
  }
  return std::nullopt;
}

bool TreeWalker::push(const std::string& name) {
  const int parent = descriptor(*stack_.back(), stack_.size() - 1);
  auto level = std::make_unique<Level>();
  level->fd = open_subdirectory(parent, name.c_str());
  const int error = level->fd ? 0 : errno;
  const int asked = level->fd
                        ? fstat(level->fd.get(), &level->facts)
                        : fstatat(parent, name.c_str(), &level->facts, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT);
  if (asked != 0 || !S_ISDIR(level->facts.st_mode) || (error != 0 && means_vanished(error))) {
    ++context_.counters.vanished;
    return false;
  }
  path_ = join_below(path_, name);
  level->path_bytes = path_.size();
  if (error != 0) {
    level->unreadable = true;
    level->device = context_.devices.ordinal(level->facts.st_dev);
    context_.report(pull::SkipReason::Unreadable, error, path_);
  } else {
    const Devices::Device& device = context_.devices.of_directory(level->facts.st_dev, level->fd.get());
    level->device = device.ordinal;
    level->foreign =
        level->facts.st_dev != stack_.back()->facts.st_dev && (context_.one_file_system || device.pseudo);
    if (!level->foreign && !list_level(*level)) {
      ++context_.counters.vanished;
      path_.resize(stack_.back()->path_bytes);
      return false;
    }
  }
  stack_.push_back(std::move(level));
  close_far_levels();
  return true;
}

// False for a subdirectory that was not walked.
bool TreeWalker::counts(Level& level, const Entry& entry) {
  WalkCounters& counters = context_.counters;
  if (entry.type == EntryType::File) {
    ++counters.files;
    counters.bytes += entry.size;
  } else if (entry.type != EntryType::Directory) {
    ++counters.others;
  } else {
    const std::size_t number = level.subdirectories++;
    return number >= level.lost.size() || !level.lost[number];
  }
  return true;
}

void TreeWalker::scan_into(Level& level, WalkEvent& event) {
  const int fd = descriptor(level, stack_.size() - 1);
  const int lost = fd < 0 ? errno : 0;
  // It went away while its subdirectories were walked: these stand.
  if (lost != 0 && means_vanished(lost)) ++context_.counters.vanished;
  if (lost != 0 && !means_vanished(lost)) context_.report(pull::SkipReason::Unreadable, lost, event.path);
  level.names.rewind();
  level.subdirectories = 0;
  DirectoryScan scan(context_, fd, event.path);
  scan.use(std::move(level.names));
  Sha256 hash;
  pull::PayloadWriter records;
  Entry entry;
  while (scan.next(entry)) {
    if (!counts(level, entry)) continue;
    pull::append_record(records, entry);
    ++event.leave.entries;
    if (records.size() < kKeptRecords) continue;
    hash.update(records.take());
    records = {};
    event.kept = false;
  }
  event.leave.listing = hash.update(records.view()).finish();
  if (event.kept) event.records = records.take();
}

// The attributes of a directory that may not be opened: its ACLs can be asked for by its name all the same.
XattrResult TreeWalker::unreadable_xattrs() {
  if (stack_.size() < 2) return {};
  const std::size_t parent = stack_.size() - 2;
  const int fd = descriptor(*stack_[parent], parent);
  if (fd < 0) return {};
  return read_xattrs_at(fd, path_.substr(path_.rfind('/') + 1));
}

WalkEvent TreeWalker::leave_level() {
  Level& level = *stack_.back();
  WalkEvent event;
  event.kind = WalkEvent::Kind::Leave;
  event.path = path_;
  event.id = {level.facts.st_dev, level.facts.st_ino};
  event.leave.unreadable = level.unreadable;
  event.leave.stat = to_stat(level.facts, level.device);
  names_bytes_ -= level.names_bytes;
  if (level.unreadable || level.foreign) {
    event.leave.listing = Sha256::of({});
  } else {
    scan_into(level, event);
  }
  const int fd = descriptor(level, stack_.size() - 1);
  if (fd >= 0 || level.unreadable) {
    XattrResult attributes = fd >= 0 ? read_xattrs(fd) : unreadable_xattrs();
    if (attributes.error != 0) context_.report(pull::SkipReason::Xattr, attributes.error, path_);
    event.leave.xattrs = std::move(attributes.xattrs);
  }
  ++context_.counters.directories;
  stack_.pop_back();
  open_from_ = std::min(open_from_, stack_.empty() ? 0 : stack_.size());
  path_.resize(stack_.empty() ? 0 : stack_.back()->path_bytes);
  return event;
}

}  // namespace bk::agent
