// Entries: the pages of wanted directories, each compared with the previous tree; says whose content is
// wanted.
#pragma once

#include "common/compress/group.h"
#include "server/pull/tree/agent_line.h"
#include "server/pull/tree/held.h"
#include "server/pull/tree/link_table.h"
#include "server/pull/tree/old_lists.h"
#include "server/store/extents.h"
#include "server/store/store.h"

namespace bk::pull {

class PageIntake {
 public:
  // `resume`: the agent can go on behind the stored beginning of a file.  `doubt`: something of the old tree
  // is damaged, so what is taken over from it is looked for in the store first.
  PageIntake(AgentLine& line, store::Store& store, store::Writer& writer, Held& held, LinkTable& links,
             OldLists& old, bool resume, bool doubt)
      : line_(line),
        store_(store),
        writer_(writer),
        held_(held),
        links_(links),
        old_(old),
        resume_(resume),
        doubt_(doubt) {}
  void entries(const Entries& message);
  [[nodiscard]] std::uint64_t count() const { return entries_; }

 private:
  [[nodiscard]] HeldDirectory& directory_of(const Entries& message);
  void check_page(HeldDirectory& directory, const Entries& message, const std::vector<Entry>& page);
  [[nodiscard]] bool is_there(const Entry& stored) {
    return !doubt_ || store::content_is_there(store_, writer_, stored);
  }
  enum class Content { Known, Linked, Wanted };
  // `index` is the entry's place in its page.
  [[nodiscard]] bool keep_beginning(HeldPage& page, std::size_t index, const Entry& begun);
  [[nodiscard]] Content content_of(HeldPage& page, Entry& entry, std::size_t index);

  AgentLine& line_;
  store::Store& store_;
  store::Writer& writer_;
  Held& held_;
  LinkTable& links_;
  OldLists& old_;
  bool resume_, doubt_;
  GroupDecoder decoder_;
  std::uint64_t next_page_ = 0, entries_ = 0;
  std::uint64_t receiving_ =
      0;  // Leave number of the wanted directory whose pages come in, or the next one's lower bound
};

}  // namespace bk::pull
