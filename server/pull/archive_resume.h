// What an interrupted archive pull has stored already: a list of extents, in tmp/archives/, one file for each
// (client, digest, length).  A hint, never a truth: what it names is read back and hashed before it counts.
#pragma once

#include "common/tree/entry.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace bk::pull {

// Text "bk-archive-resume 1" (common/text/document.h): repeated `extent: <kind> <bytes> <id or percent
// bytes>`.
[[nodiscard]] std::string write_extents(const std::vector<Extent>& extents);
[[nodiscard]] std::vector<Extent> parse_extents(std::string_view text);  // throws Protocol

class ArchiveResume {
 public:
  ArchiveResume(const std::string& home, const std::string& client, const std::string& sha256,
                std::uint64_t bytes);
  // Empty when there is nothing, or nothing that can be parsed.
  [[nodiscard]] std::vector<Extent> load() const;
  void save(const std::vector<Extent>& extents) const;  // durable
  void forget() const;

 private:
  std::string folder_, path_;
};

}  // namespace bk::pull
