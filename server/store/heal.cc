#include "server/store/heal.h"

#include "common/error/error.h"
#include "common/io/crash.h"
#include "common/io/file.h"
#include "common/io/temporary.h"
#include "common/storage/folder_storage.h"
#include "common/text/escape.h"
#include "server/store/bad_sectors.h"
#include "server/store/check.h"
#include "server/store/parity.h"
#include "server/store/record_merge.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

namespace bk::store {
namespace {

// A file in the making beside the journals, so that a folder takes it by renaming.
struct Making {
  explicit Making(const Layout& layout) {
    (void)remove_abandoned_in(layout.journals());  // there may be no room for a second one
    do {
      path = layout.journals() + "/" + std::string(kTemporaryPrefix) + shown_pack(new_number()).substr(5);
      std::optional<Fd> made = try_create_owned(path);
      if (made) fd = *std::move(made);
    } while (!fd);
  }
  Making(const Making&) = delete;
  Making& operator=(const Making&) = delete;
  ~Making() { (void)::unlink(path.c_str()); }  // a missing one was taken
  std::string path;
  Fd fd;
};

class MissingReader final : public ObjectReader {
 public:
  std::uint64_t size() override { return 0; }
  std::size_t read(std::uint64_t, char*, std::size_t) override { return 0; }
};

// The first thing wrong with a pack; an empty text when it is whole.  Unreadable when nothing else is.
PackProblem first_problem(ObjectReader& in, const PackRef& ref) {
  PackProblem out{{}, true};
  check_pack(in, "it", ref, true, true,
             {[&](const PackProblem& problem) {
                if (out.text.empty()) out.text = problem.text;
                out.unreadable = out.unreadable && problem.unreadable;
              },
              {}});
  return out;
}

}  // namespace

void store_parity(const Layout& layout, ObjectReader& pack, const PackRef& ref) {
  if (layout.parity_percent == 0) return;
  Making file(layout);
  write_parity(pack, ref, layout.parity_percent, file.fd.get());
  crash_point("store.parity-written");
  layout.storage->replace(Layout::parity_object(ref.number), file.path);
  crash_point("store.parity-stored");
}

void replace_object(const Layout& layout, const std::string& name, const std::string& bytes) {
  Making file(layout);
  write_all(file.fd.get(), bytes);
  sync_file(file.fd.get());
  crash_point("store.heal-written");
  layout.storage->replace(name, file.path);
  crash_point("store.heal-replaced");
}

void PackHealer::tell(HealEvent::What what, const PackRef& ref, const std::string& detail,
                      const std::string& path) {
  using What = HealEvent::What;
  if (what == What::PackRepaired || what == What::PackCopied) healed_.push_back(ref.number);
  if (what == What::PackRepaired) ++totals_.repaired;
  if (what == What::PackCopied) ++totals_.copied;
  if (what == What::ParityMade) ++totals_.parity;
  const std::string name =
      what == What::ParityMade ? Layout::parity_object(ref.number) : Layout::pack_object(ref.number);
  report_({what, path.empty() ? layout_.storage->shown(name) : path, detail});
}

void PackHealer::tell_damaged(const PackRef& ref, const PackProblem& problem, const std::string& path) {
  ++totals_.damaged;
  const std::string shown = path.empty() ? layout_.storage->shown(Layout::pack_object(ref.number)) : path;
  report_({HealEvent::What::PackDamaged, shown, problem.text, problem.unreadable});
}

bool PackHealer::take_if_whole(const PackRef& ref, const std::string& file, int fd) {
  DescriptorReader made(fd);
  if (!first_problem(made, ref).text.empty()) return false;
  sync_file(fd);
  crash_point("store.heal-written");
  layout_.storage->replace(Layout::pack_object(ref.number), file);
  crash_point("store.heal-replaced");
  return true;
}

bool PackHealer::from_parity(const PackRef& ref) {
  const auto pack = open_if_readable(*layout_.storage, Layout::pack_object(ref.number));
  const auto parity = open_if_readable(*layout_.storage, Layout::parity_object(ref.number));
  if (!parity) return false;
  MissingReader nothing;
  ObjectReader& damaged = pack ? *pack : nothing;
  try {
    const ParityCheck check = check_parity(damaged, *parity, ref);
    Making file(layout_);
    if (write_repaired(damaged, *parity, check, file.fd.get()) != 0) return false;
    if (!take_if_whole(ref, file.path, file.fd.get())) return false;
    tell(HealEvent::What::PackRepaired, ref,
         fmt::format("{} of {} blocks were brought back from its parity", check.damaged.size(),
                     check.table.shape.blocks()));
    return true;
  } catch (const Error& error) {
    if (error.kind() != Kind::Corrupt) throw;
    return false;
  }
}

std::unique_ptr<ObjectReader> PackHealer::open_copy(const PackRef& ref, std::string& name) const {
  for (const std::string& object : {Layout::pack_object(ref.number), "journal/" + pack_name(ref.number)})
    if (std::unique_ptr<ObjectReader> found = open_if_readable(*copy_, name = object)) return found;
  return nullptr;
}

bool PackHealer::from_records_of_copy(const PackRef& ref) {
  std::string name;
  const auto own = open_if_readable(*layout_.storage, Layout::pack_object(ref.number));
  const std::unique_ptr<ObjectReader> other = open_copy(ref, name);
  if (!other) return false;
  Making file(layout_);
  MissingReader nothing;
  if (!merge_records(own ? *own : nothing, *other, ref, MergeEnd::Sealed, file.fd.get())) return false;
  if (!take_if_whole(ref, file.path, file.fd.get())) return false;
  tell(HealEvent::What::PackCopied, ref, "its damaged records were taken from " + quoted(copy_->shown(name)));
  return true;
}

bool PackHealer::journal_from_copy(const PackRef& ref, ObjectReader& own) {
  std::string name;
  const std::unique_ptr<ObjectReader> other = copy_ == nullptr ? nullptr : open_copy(ref, name);
  if (!other) return false;
  Making file(layout_);
  if (!merge_records(own, *other, ref, MergeEnd::Open, file.fd.get())) return false;
  sync_file(file.fd.get());
  crash_point("store.heal-written");
  rename_durably(file.path, layout_.journal(ref.number));
  crash_point("store.heal-replaced");
  tell(HealEvent::What::PackCopied, ref, "its damaged records were taken from " + quoted(copy_->shown(name)),
       layout_.journal(ref.number));
  return true;
}

void PackHealer::heal_journal(std::uint64_t number, const Journal::Retire& retire,
                              const Journal::Retire& retire_as_it_is) {
  const PackRef ref{store_, number};
  const std::string path = layout_.journal(number);
  try {
    (void)open_reader(path);
  } catch (const Error& error) {
    if (!is_media_error(error)) throw;
    places_.push_back({number, 0, UINT64_MAX});
    return tell_damaged(ref, {error.what(), true}, path);
  }
  std::optional<Fd> fd = Journal::try_own(path);
  if (!fd) return;
  DescriptorReader own(fd->get());
  std::vector<PackProblem> problems;
  check_pack(own, "it", ref, false, true,
             {[&](const PackProblem& problem) { problems.push_back(problem); }, {}});
  if (problems.empty()) return;
  if (journal_from_copy(ref, own)) {
    fd.reset();
    (void)Journal::seal(layout_, ref, retire);
    return;
  }
  note_places(own, ref, false);
  const bool only_unreadable = std::ranges::all_of(problems, &PackProblem::unreadable);
  const PackProblem first{problems.front().text, only_unreadable};
  if (std::ranges::none_of(problems, &PackProblem::unreadable)) return tell_damaged(ref, first, path);
  set_aside(ref, *std::move(fd), first, retire_as_it_is);
}

void PackHealer::set_aside(const PackRef& ref, Fd owned, const PackProblem& problem,
                           const Journal::Retire& retire_as_it_is) {
  const std::string path = layout_.journal(ref.number);
  try {
    Journal::set_aside(layout_, ref, std::move(owned), retire_as_it_is);
  } catch (const Error& error) {
    if (!is_media_error(error)) throw;
    return tell_damaged(ref, problem, path);
  }
  healed_.push_back(ref.number);
  tell_damaged(ref, {"set aside from the journal " + quoted(path) + ": " + problem.text, problem.unreadable});
}

bool PackHealer::from_copy(const PackRef& ref) {
  if (copy_ == nullptr) return false;
  const auto other = open_if_readable(*copy_, Layout::pack_object(ref.number));
  if (!other || !first_problem(*other, ref).text.empty()) return from_records_of_copy(ref);
  Making file(layout_);
  std::string buffer(1U << 20U, '\0');
  for (std::uint64_t at = 0, got = 0; (got = other->read(at, buffer.data(), buffer.size())) != 0; at += got)
    write_all(file.fd.get(), std::string_view(buffer).substr(0, got));
  if (!take_if_whole(ref, file.path, file.fd.get())) return false;
  tell(HealEvent::What::PackCopied, ref,
       "taken from " + quoted(copy_->shown(Layout::pack_object(ref.number))));
  return true;
}

void PackHealer::look_after_parity(const PackRef& ref) {
  if (layout_.parity_percent == 0) return;
  const auto parity = open_if_readable(*layout_.storage, Layout::parity_object(ref.number));
  std::string why = "there was none";
  try {
    if (parity && count_damaged_parity(*parity, ref) == 0) return;
    if (parity) why = "it was damaged";
  } catch (const Error& error) {
    if (error.kind() != Kind::Corrupt) throw;
    why = error.what();
  }
  const std::unique_ptr<ObjectReader> pack = layout_.storage->open(Layout::pack_object(ref.number));
  if (!pack) return;  // cleaned away meanwhile
  store_parity(layout_, *pack, ref);
  tell(HealEvent::What::ParityMade, ref, why);
}

void PackHealer::note_places(ObjectReader& in, const PackRef& ref, bool finished) {
  const auto note = [&](std::uint64_t from, std::uint64_t to) { places_.push_back({ref.number, from, to}); };
  check_pack(in, "it", ref, finished, true, {[](const PackProblem&) {}, note});
}

void PackHealer::heal(std::uint64_t number) {
  const PackRef ref{store_, number};
  ++totals_.packs;
  PackProblem problem;
  if (const auto pack = open_if_readable(*layout_.storage, Layout::pack_object(number), &problem.text)) {
    totals_.bytes += pack->size();
    problem = first_problem(*pack, ref);
  } else {
    problem.unreadable = !problem.text.empty();
    if (!problem.unreadable) problem.text = "it is missing";
  }
  if (problem.text.empty() || from_parity(ref) || from_copy(ref)) return look_after_parity(ref);
  tell_damaged(ref, problem);
  if (const auto pack = open_if_readable(*layout_.storage, Layout::pack_object(number)))
    note_places(*pack, ref, true);
  else
    places_.push_back({number, 0, UINT64_MAX});
}

}  // namespace bk::store
