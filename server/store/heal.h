// Damaged packs made whole again, and parity where it is missing; internal to server/store.
//
// A pack is compared with its own digests.  When they do not fit, what parity says is tried first, then the
// same pack of another copy of the store, as a whole or, where that copy was taken while the pack was still a
// journal, record by record.  Either way the whole new file fits its digests before it takes the old one's
// place, in one step; whoever reads the old one meanwhile goes on doing so.  What stays damaged stays as it
// is: its good groups can still be read.
//
// A journal that nobody owns is healed in the same way, from the copy alone: it has no parity yet.  Once it
// is whole it is made a pack, which has.  One that a writer owns is left to the next heal.  One that cannot
// be read as a whole becomes a pack as it is: what can be read of it is found there, the rest counts as
// damaged, and nobody who opens the store has to try it again.
//
// Errors: Io.  Any number of backups may be at work meanwhile: finished packs never change.
#pragma once

#include "server/store/journal.h"
#include "server/store/layout.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace bk::store {

// Makes the parity of a finished pack and puts it beside it, durably; with 0 per cent nothing.
void store_parity(const Layout& layout, ObjectReader& pack, const PackRef& ref);

// Puts a whole new object in the place of what stands there; durable.
void replace_object(const Layout& layout, const std::string& name, const std::string& bytes);

class PackHealer {
 public:
  // `copy` may be null.
  PackHealer(const Layout& layout, const StoreId& store, Storage* copy, const HealReport& report)
      : layout_(layout), store_(store), copy_(copy), report_(report) {}
  void heal(std::uint64_t number);
  // `retire` and `retire_as_it_is` as in journal.h, for a journal that is whole and one that is not.  A torn
  // end is no damage.
  void heal_journal(std::uint64_t number, const Journal::Retire& retire,
                    const Journal::Retire& retire_as_it_is);
  [[nodiscard]] const HealTotals& totals() const { return totals_; }
  // Of the packs looked at, where they are still damaged.
  [[nodiscard]] const std::vector<DamagedPlace>& places() const { return places_; }
  // Those that were made whole or set aside: an index that was built before may lack what was damaged.
  [[nodiscard]] const std::vector<std::uint64_t>& healed() const { return healed_; }

 private:
  [[nodiscard]] bool from_parity(const PackRef& ref);
  [[nodiscard]] bool from_copy(const PackRef& ref);
  [[nodiscard]] bool from_records_of_copy(const PackRef& ref);
  [[nodiscard]] bool journal_from_copy(const PackRef& ref, ObjectReader& own);
  // The pack, else the journal, of the copy; null when it has neither.
  [[nodiscard]] std::unique_ptr<ObjectReader> open_copy(const PackRef& ref, std::string& name) const;
  [[nodiscard]] bool take_if_whole(const PackRef& ref, const std::string& file, int fd);
  void set_aside(const PackRef& ref, Fd owned, const PackProblem& problem,
                 const Journal::Retire& retire_as_it_is);
  void look_after_parity(const PackRef& ref);
  void note_places(ObjectReader& in, const PackRef& ref, bool finished);
  // `path` where it is not the object that `what` is about.
  void tell(HealEvent::What what, const PackRef& ref, const std::string& detail,
            const std::string& path = {});
  void tell_damaged(const PackRef& ref, const PackProblem& problem, const std::string& path = {});

  Layout layout_;
  StoreId store_;
  Storage* copy_;
  HealReport report_;
  HealTotals totals_;
  std::vector<DamagedPlace> places_;
  std::vector<std::uint64_t> healed_;
};

}  // namespace bk::store
