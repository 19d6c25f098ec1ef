// The entries of one directory as an SFTP server lists them, sorted by name in bounded memory.
#pragma once

#include "common/spill/sorter.h"
#include "common/ssh/ssh.h"

#include <memory>
#include <optional>
#include <string>

namespace bk::pull {

struct Listed {
  std::string name;
  ssh::Sftp::Facts facts;
};

class Listing {
 public:
  // What does not fit into memory goes to `file`.
  explicit Listing(const std::shared_ptr<SpillFile>& file);
  // `name` holds no NUL.  Throws Io.
  void add(const std::string& name, const ssh::Sftp::Facts& facts);
  void sort();
  void clear();
  // After sort(): the next one in the byte order of names; one that came twice comes twice.
  [[nodiscard]] std::optional<Listed> next();
  // Gives memory back while the walk is elsewhere.
  void set_aside(const std::shared_ptr<SpillFile>& file);

 private:
  std::unique_ptr<Sorter> sorter_;
  SortedRecords sorted_;
};

}  // namespace bk::pull
