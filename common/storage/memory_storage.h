// Objects in memory: gone with the process.  Holds the contract of storage.h, so it stands for storages
// without a disk in tests.
#pragma once

#include "common/storage/storage.h"

#include <map>
#include <mutex>

namespace bk {

class MemoryStorage final : public Storage {
 public:
  [[nodiscard]] bool put(const std::string& name, std::string_view bytes) override;
  [[nodiscard]] bool adopt(const std::string& name, const std::string& file) override;
  void replace(const std::string& name, const std::string& file) override;
  [[nodiscard]] std::unique_ptr<ObjectReader> open(const std::string& name) override;
  [[nodiscard]] std::vector<ListedObject> list(const std::string& prefix, const std::string& after,
                                               std::size_t most) override;
  void remove(const std::string& name) override;
  [[nodiscard]] std::string shown(const std::string& name) const override { return "memory:" + name; }

 private:
  using Bytes = std::shared_ptr<const std::string>;
  std::mutex mutex_;
  std::map<std::string, Bytes> objects_;
};

}  // namespace bk
