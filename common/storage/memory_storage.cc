#include "common/storage/memory_storage.h"

#include "common/io/file.h"

#include <algorithm>
#include <cstring>

namespace bk {
namespace {

constexpr std::uint64_t kMaxObject = 4ULL << 30U;

class MemoryReader final : public ObjectReader {
 public:
  explicit MemoryReader(std::shared_ptr<const std::string> bytes) : bytes_(std::move(bytes)) {}
  std::uint64_t size() override { return bytes_->size(); }
  std::size_t read(std::uint64_t offset, char* into, std::size_t bytes) override {
    if (offset >= bytes_->size()) return 0;
    const std::size_t part = std::min<std::uint64_t>(bytes, bytes_->size() - offset);
    std::memcpy(into, bytes_->data() + offset, part);
    return part;
  }

 private:
  std::shared_ptr<const std::string> bytes_;
};

}  // namespace

bool MemoryStorage::put(const std::string& name, std::string_view bytes) {
  require_object_name(name);
  const std::lock_guard<std::mutex> guard(mutex_);
  return objects_.emplace(name, std::make_shared<const std::string>(bytes)).second;
}

bool MemoryStorage::adopt(const std::string& name, const std::string& file) {
  require_object_name(name);
  const auto bytes = std::make_shared<const std::string>(read_file(file, kMaxObject));
  {
    const std::lock_guard<std::mutex> guard(mutex_);
    const auto [it, fresh] = objects_.emplace(name, bytes);
    if (!fresh && *it->second != *bytes) return false;
  }
  remove_durably(file);
  return true;
}

void MemoryStorage::replace(const std::string& name, const std::string& file) {
  require_object_name(name);
  const auto bytes = std::make_shared<const std::string>(read_file(file, kMaxObject));
  {
    const std::lock_guard<std::mutex> guard(mutex_);
    objects_[name] = bytes;
  }
  remove_durably(file);
}

std::unique_ptr<ObjectReader> MemoryStorage::open(const std::string& name) {
  require_object_name(name);
  const std::lock_guard<std::mutex> guard(mutex_);
  const auto found = objects_.find(name);
  if (found == objects_.end()) return nullptr;
  return std::make_unique<MemoryReader>(found->second);
}

std::vector<ListedObject> MemoryStorage::list(const std::string& prefix, const std::string& after,
                                              std::size_t most) {
  const std::lock_guard<std::mutex> guard(mutex_);
  std::vector<ListedObject> out;
  auto it = after < prefix ? objects_.lower_bound(prefix) : objects_.upper_bound(after);
  for (; it != objects_.end() && out.size() < most && it->first.starts_with(prefix); ++it)
    out.push_back({it->first, it->second->size()});
  return out;
}

void MemoryStorage::remove(const std::string& name) {
  require_object_name(name);
  const std::lock_guard<std::mutex> guard(mutex_);
  objects_.erase(name);
}

}  // namespace bk
