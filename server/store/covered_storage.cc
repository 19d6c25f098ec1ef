#include "server/store/covered_storage.h"

#include "common/error/error.h"

#include <algorithm>
#include <utility>

namespace bk::store {
namespace {

constexpr std::uint64_t kMaxCovered = 64U << 20U;

class TextReader final : public ObjectReader {
 public:
  explicit TextReader(std::string text) : text_(std::move(text)) {}
  std::uint64_t size() override { return text_.size(); }
  std::size_t read(std::uint64_t offset, char* into, std::size_t bytes) override {
    if (offset >= text_.size()) return 0;
    return text_.copy(into, bytes, offset);
  }

 private:
  std::string text_;
};

class CoveredStorage final : public Storage {
 public:
  CoveredStorage(std::shared_ptr<Storage> storage, std::shared_ptr<const Domain> domain)
      : storage_(std::move(storage)), domain_(std::move(domain)) {}

  bool put(const std::string& name, std::string_view bytes) override {
    return storage_->put(name, domain_->cover(name, bytes));
  }
  bool adopt(const std::string&, const std::string&) override { BK_CHECK(false); }
  void replace(const std::string&, const std::string&) override { BK_CHECK(false); }
  std::unique_ptr<ObjectReader> open(const std::string& name) override {
    std::optional<std::string> bytes = storage_->get(name, kMaxCovered);
    if (!bytes) return nullptr;
    std::optional<std::string> text = domain_->uncover(name, *bytes);
    return std::make_unique<TextReader>(text ? *std::move(text) : "damaged: " + *bytes);
  }
  std::vector<ListedObject> list(const std::string& prefix, const std::string& after,
                                 std::size_t most) override {
    return storage_->list(prefix, after, most);
  }
  void remove(const std::string& name) override { storage_->remove(name); }
  std::string shown(const std::string& name) const override { return storage_->shown(name); }

 private:
  std::shared_ptr<Storage> storage_;
  std::shared_ptr<const Domain> domain_;
};

}  // namespace

std::shared_ptr<Storage> covered(std::shared_ptr<Storage> storage, std::shared_ptr<const Domain> domain) {
  if (!domain) return storage;
  return std::make_shared<CoveredStorage>(std::move(storage), std::move(domain));
}

}  // namespace bk::store
