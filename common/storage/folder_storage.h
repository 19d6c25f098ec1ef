// Objects as files of a local folder, under their own names.
//
// put() costs one sync of the file and one of its directory, adopt() only the latter; an open object is a
// descriptor and pread.  Files in the making lie in "<root>/.making", locked by their writer; what a killed
// one left goes with the next put().  The folder may hold files of its owner beside the objects: those that
// have an object's name are listed, so whoever lists goes by names that it knows.
#pragma once

#include "common/io/fd.h"
#include "common/storage/storage.h"

#include <atomic>

namespace bk {

// A local file that may still grow, through an object's eyes: size() is its size now.  For journals.
class DescriptorReader : public ObjectReader {
 public:
  explicit DescriptorReader(int fd) : fd_(fd) {}  // stays the caller's
  [[nodiscard]] std::uint64_t size() override;
  [[nodiscard]] std::size_t read(std::uint64_t offset, char* into, std::size_t bytes) override;
  [[nodiscard]] std::size_t read_in_passing(std::uint64_t offset, char* into, std::size_t bytes) override;
  void prefetch(std::uint64_t offset, std::uint64_t bytes) override;
  [[nodiscard]] int descriptor() const { return fd_; }

 private:
  int fd_;
};
class FileReader final : public DescriptorReader {
 public:
  explicit FileReader(Fd fd) : DescriptorReader(fd.get()), owner_(std::move(fd)) {}

 private:
  Fd owner_;
};
// Nothing when there is no such file.
[[nodiscard]] std::unique_ptr<FileReader> open_reader(const std::string& path);

class FolderStorage final : public Storage {
 public:
  // The folder is made by the first put().
  explicit FolderStorage(std::string root) : root_(std::move(root)) {}
  [[nodiscard]] bool put(const std::string& name, std::string_view bytes) override;
  [[nodiscard]] bool adopt(const std::string& name, const std::string& file) override;
  void replace(const std::string& name, const std::string& file) override;
  [[nodiscard]] std::unique_ptr<ObjectReader> open(const std::string& name) override;
  [[nodiscard]] std::vector<ListedObject> list(const std::string& prefix, const std::string& after,
                                               std::size_t most) override;
  void remove(const std::string& name) override;
  [[nodiscard]] std::string shown(const std::string& name) const override { return path_of(name); }

 private:
  [[nodiscard]] std::string path_of(const std::string& name) const;
  [[nodiscard]] std::string making();
  struct Near {
    std::string path;
    Fd owner;  // of a copy, until it has its name
  };
  [[nodiscard]] Near nearby(const std::string& file);
  std::string root_;
  std::atomic<bool> swept_ = false;
};

}  // namespace bk
