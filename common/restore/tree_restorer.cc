#include "common/restore/tree_restorer.h"

#include "common/error/error.h"
#include "common/io/crash.h"
#include "common/io/file.h"
#include "common/restore/metadata.h"
#include "common/restore/window.h"
#include "common/text/escape.h"

#include <sys/resource.h>

#include <algorithm>
#include <thread>
#include <utility>

namespace bk {
namespace {

constexpr std::uint64_t kQueueBytes = 16U << 20U;
constexpr std::uint64_t kBareWeight = 64U << 10U;
constexpr std::size_t kBareFiles = 64;

// Besides the directories of two windows.
std::size_t open_file_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 128;
  if (limit.rlim_cur < limit.rlim_max) {
    limit.rlim_cur = std::min<rlim_t>(limit.rlim_max, 8192);
    (void)::setrlimit(RLIMIT_NOFILE, &limit);
    (void)::getrlimit(RLIMIT_NOFILE, &limit);
  }
  const rlim_t others = 2 * WindowLimits::kDirectories + 256;
  return limit.rlim_cur > others + 64 ? std::min<std::size_t>((limit.rlim_cur - others) / 2, 2048) : 32;
}

unsigned thread_count(unsigned wanted) {
  return wanted > 0 ? wanted : std::clamp(std::thread::hardware_concurrency(), 2U, 4U);
}

}  // namespace

TreeRestorer::TreeRestorer(int destination, const std::string& shown, RestoreReport& report, Damaged damaged,
                           RestoreOptions options)
    : shared_{shown, report, open_file_limit(), options.id_bytes, options.goes_on},
      damaged_(std::move(damaged)),
      options_(std::move(options)),
      destination_(destination),
      stack_(destination, shown, options_.goes_on),
      window_(std::make_unique<RestoreWindow>()),
      pool_(thread_count(options_.threads), kQueueBytes) {}

TreeRestorer::~TreeRestorer() = default;

void TreeRestorer::enter(const Entry& directory) {
  window_->count_directory(directory);
  const bool below_missing = stack_.here()->is_missing();
  const int refused = stack_.enter(directory);
  const std::string path = join_path(shared_.destination, stack_.here()->path);
  if (refused != 0) shared_.report.leave_out("folder not restored", system_words(refused), path);
  if (below_missing) shared_.report.leave_out_below(path);
}

void TreeRestorer::leave() {
  if (stack_.depth() == 0) throw Error(Kind::Protocol, "leaving a folder that was not entered");
  window_->count_directory({});
  DirectoryStack::Left left = stack_.leave();
  if (!left.directory->is_missing())
    window_->left.emplace_back(std::move(left.directory), std::move(left.entry));
}

void TreeRestorer::file(const Entry& entry, FilePart part) {
  if (unfinished_) throw Error(Kind::Protocol, "a file begins before the one before it ended");
  require_component(entry.name, stack_.shown(""));
  window_->count_entry(entry);
  auto made = std::make_shared<RestoredFile>(stack_.here(), entry, shared_);
  window_->files.push_back(made);
  ++files_;
  plan(std::move(made), std::move(part));
}

void TreeRestorer::more(FilePart part) {
  if (!unfinished_ || !window_->files.empty() || window_->carried)
    throw Error(Kind::Protocol, "more of a file that was finished");
  window_->carried = unfinished_;
  plan(std::exchange(unfinished_, nullptr), std::move(part));
}

void TreeRestorer::plan(std::shared_ptr<RestoredFile> file, FilePart part) {
  window_->count_part(part);
  const bool bare = part.placed_bytes == 0;
  if (part.continues) window_->continuing = unfinished_ = file;
  file->expect(std::move(part));
  if (!bare) return;
  bare_.push_back(std::move(file));
  if (bare_.size() >= kBareFiles) send_bare();
}

void TreeRestorer::send_bare() {
  if (bare_.empty()) return;
  pool_.add(kBareWeight, std::make_unique<BareTask>(*window_, std::exchange(bare_, {})));
}

void TreeRestorer::special(const Entry& entry) {
  require_component(entry.name, stack_.shown(""));
  window_->count_entry(entry);
  if (stack_.here()->is_missing()) return shared_.report.leave_out_below(stack_.shown(entry.name));
  window_->specials.push_back({stack_.here(), entry, {}});
}

void TreeRestorer::link(const std::string& existing, const Entry& entry) {
  require_component(entry.name, stack_.shown(""));
  window_->count_entry(entry);
  if (stack_.here()->is_missing()) return shared_.report.leave_out_below(stack_.shown(entry.name));
  window_->links.push_back({stack_.here(), entry, existing});
}

void TreeRestorer::damaged(std::uint64_t file, std::uint64_t bytes, const std::string& reason) {
  RestoredFile& found = window_->find(file);
  found.spoil(reason);
  if (bytes > 0) found.settle(bytes);
}

void TreeRestorer::group(EncodedGroup group, std::vector<RestorePlace> places) {
  window_->count_places(places);
  const std::uint64_t weight = group.bytes.size() + places.size() * sizeof(RestorePlace);
  pool_.add(weight,
            std::make_unique<GroupTask>(*window_, std::move(group), std::move(places), options_.id_bytes));
}

std::vector<bool> TreeRestorer::keep(const std::vector<RestorePlace>& places) {
  constexpr std::uint64_t kTaskWeight = 64;
  if (!options_.goes_on) return std::vector<bool>(places.size());
  const auto offered = std::make_shared<KeepTask::Offered>();
  offered->places = places;
  offered->kept.resize(places.size());
  for (std::size_t begin = 0, end = 0; begin < places.size(); begin = end) {
    while (end < places.size() && places[end].file == places[begin].file) ++end;
    (void)window_->find(places[begin].file);
    pool_.add(kTaskWeight, std::make_unique<KeepTask>(*window_, offered, begin, end));
  }
  pool_.run_until([&] { return window_->tasks == 0; });
  return std::vector<bool>(offered->kept.begin(), offered->kept.end());
}

void TreeRestorer::end_window() {
  send_bare();
  running_.push_back(std::exchange(window_, std::make_unique<RestoreWindow>()));
  window_->first_file = files_;
  // The one before was worked off while this one came.
  while (running_.size() > 1) complete_first();
}

void TreeRestorer::finish() {
  end_window();
  while (!running_.empty()) complete_first();
  if (stack_.depth() > 0 || unfinished_) throw Error(Kind::Protocol, "the tree ends in the middle");
}

void TreeRestorer::complete_first() {
  RestoreWindow& window = *running_.front();
  pool_.run_until([&] { return window.tasks == 0; });
  try_again(window);
  if (window.carried) close_file(*window.carried, window);
  for (const auto& file : window.files) close_file(*file, window);
  for (const PendingEntry& special : window.specials) make_special(special);
  for (const PendingEntry& link : window.links) make_link(link);
  for (const auto& [directory, entry] : window.left)
    set_metadata(directory->fd.get(), entry, shared_.report, join_path(shared_.destination, directory->path));
  running_.pop_front();
  crash_point("bkdb.export_window");
}

void TreeRestorer::close_file(RestoredFile& file, const RestoreWindow& window) {
  if (&file == window.continuing.get()) return;
  if (!file.finished())
    throw Error(Kind::Protocol, "the content of " + quoted(file.path()) + " did not come");
  if (!file.damage().empty()) damaged_(file.path(), file.damage());
}

void TreeRestorer::try_again(RestoreWindow& window) {
  for (const RestoreWindow::Failure& failure : window.failures) {
    RestoredFile& file = window.find(failure.place.file);
    std::string why = failure.reason;
    std::optional<std::string> content;
    if (options_.again) content = options_.again(failure.place.id, why);
    if (content && content->size() == failure.place.bytes) {
      const FileRun run{failure.place.offset, *content};
      file.put({&run, 1});
    } else {
      file.spoil(why);
      file.settle(failure.place.bytes);
    }
  }
}

}  // namespace bk
