// The directories from the destination down to where a walk is.
//
// Names from a damaged or hostile backup are checked to be one component, everything is made by mkdirat below
// descriptors that were opened here, without following symlinks.  Depth costs no recursion and a bounded
// number of descriptors: an outer directory is opened again through "..", and compared.
#pragma once

#include "common/restore/restored_file.h"

#include <memory>
#include <string>
#include <vector>

namespace bk {

// Throws Corrupt when the backup's name is no component.
void require_component(const std::string& name, const std::string& folder);

class DirectoryStack {
 public:
  // `destination` is an open directory that stays open; `shown` is its path in messages.  `goes_on`: folders
  // that a cut restore of the same tree left are gone into.
  DirectoryStack(int destination, std::string shown, bool goes_on);

  // Makes it and goes in.  Not 0: the system refuses this one (errno); here() is then missing, and all below.
  [[nodiscard]] int enter(const Entry& directory);
  struct Left {
    std::shared_ptr<const RestoredDirectory> directory;
    Entry entry;  // whose metadata is still to be set
  };
  [[nodiscard]] Left leave();
  [[nodiscard]] const std::shared_ptr<const RestoredDirectory>& here() const {
    return levels_.back().directory;
  }
  [[nodiscard]] std::size_t depth() const { return levels_.size() - 1; }
  [[nodiscard]] std::string shown(const std::string& name) const;

 private:
  struct Level {
    std::shared_ptr<const RestoredDirectory> directory;  // empty when it was closed to save descriptors
    Entry entry;
    std::uint64_t device = 0, inode = 0;  // of a closed one
  };
  // In the stack's last directory, -1 and errno when it is refused.
  [[nodiscard]] Fd open_earlier(const Entry& directory) const;
  [[nodiscard]] std::shared_ptr<RestoredDirectory> make(const Entry& directory, int& refused) const;
  static void put_away(Level& level);
  void save_descriptors();
  void open_again(const RestoredDirectory& child, Level& level) const;

  std::string shown_;
  bool goes_on_;
  std::string path_;  // of the current directory
  std::vector<Level> levels_;
};

}  // namespace bk
