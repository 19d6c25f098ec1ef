// A storage that does what a test wants at the moment the test wants it.
#pragma once

#include "common/error/error.h"
#include "common/storage/storage.h"

#include <cerrno>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace bk::store::test {

class HookedStorage final : public Storage {
 public:
  explicit HookedStorage(std::shared_ptr<Storage> below) : below_(std::move(below)) {}
  std::function<void()> before_list;                        // these may be empty
  std::function<void(const std::string& name)> before_put;  // and adopt()
  std::set<std::string> bad_sectors;  // objects of which nothing but the first 64 bytes can be read
  std::function<void(const std::string& name)> on_read;  // may be empty
  bool forgets_removed = false;  // what is removed cannot be read by who has it open, as in an object store

  bool put(const std::string& name, std::string_view bytes) override {
    if (before_put) before_put(name);
    return below_->put(name, bytes);
  }
  bool adopt(const std::string& name, const std::string& file) override {
    if (before_put) before_put(name);
    return below_->adopt(name, file);
  }
  void replace(const std::string& name, const std::string& file) override { below_->replace(name, file); }
  std::unique_ptr<ObjectReader> open(const std::string& name) override {
    auto object = below_->open(name);
    if (!object) return nullptr;
    return std::make_unique<Reader>(*this, name, std::move(object));
  }
  std::vector<ListedObject> list(const std::string& prefix, const std::string& after,
                                 std::size_t most) override {
    if (before_list) before_list();
    return below_->list(prefix, after, most);
  }
  void remove(const std::string& name) override { below_->remove(name); }
  std::string shown(const std::string& name) const override { return below_->shown(name); }

 private:
  class Reader final : public ObjectReader {
   public:
    Reader(HookedStorage& storage, std::string name, std::unique_ptr<ObjectReader> below)
        : storage_(storage), name_(std::move(name)), below_(std::move(below)) {}
    std::uint64_t size() override { return below_->size(); }
    std::size_t read(std::uint64_t offset, char* into, std::size_t bytes) override {
      if (storage_.on_read) storage_.on_read(name_);
      if (storage_.forgets_removed && !storage_.below_->exists(name_))
        throw Error(Kind::NotFound, name_ + " was removed");
      if (offset + bytes > 64 && storage_.bad_sectors.contains(name_))
        throw sys_error(EIO, "reading " + name_);
      return below_->read(offset, into, bytes);
    }

   private:
    HookedStorage& storage_;
    std::string name_;
    std::unique_ptr<ObjectReader> below_;
  };
  std::shared_ptr<Storage> below_;
};

}  // namespace bk::store::test
