// The checkpoint records of one client: files beside its snapshots.
//
// Errors: Io.
#pragma once

#include "server/store/checkpoint.h"
#include "server/store/layout.h"
#include "server/store/store.h"

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace bk::store {

// 32 hex digits that stand for client, module, method and name in file names and journal lines: of their
// SHA-256, or of an HMAC where the store has a key.
[[nodiscard]] std::string source_key(const Domain* domain, const std::string& client,
                                     const std::string& module, const std::string& method,
                                     const std::string& name);

class CheckpointFolder {
 public:
  CheckpointFolder(const Layout& layout, std::string client);
  // Durable on return, and in place of an older one.  What it names must be durable already (I2).
  void save(const CheckpointRecord& record) const;
  // Nothing when there is none, or none that can be read: that costs reading again and nothing else.
  [[nodiscard]] std::optional<CheckpointRecord> find(const std::string& module, const std::string& method,
                                                     const std::string& name) const;
  // True when there was one.
  bool remove(const std::string& module, const std::string& method, const std::string& name) const;
  // All that can be read.
  [[nodiscard]] std::vector<CheckpointRecord> all() const;
  // One line of text for each that cannot be read.
  void check(const std::function<void(const PackProblem&)>& report) const;
  // Whether a file of the client's folder is one of ours.
  [[nodiscard]] static bool is_name(std::string_view file);

 private:
  [[nodiscard]] std::string path_of(const std::string& module, const std::string& method,
                                    const std::string& name) const;
  [[nodiscard]] std::optional<CheckpointRecord> read(const std::string& path) const;
  std::string folder_, client_;
  std::shared_ptr<const Domain> domain_;
};

}  // namespace bk::store
