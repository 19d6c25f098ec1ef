// Objects under names: all that a store asks of whatever holds it.
//
// A folder, an object store (S3, Swift), a machine behind SFTP.  So the contract is what all of them can
// keep: no append, no partial overwrite, no rename between names, no empty folders, no locks, no times.
// tests/contract/storage_contract.h runs it against every implementation.
//
// Names are "part/part/...", each part [A-Za-z0-9][A-Za-z0-9._-]*, at most kMaxNameBytes in all; anything
// else throws Usage.  No name is another's folder: who writes "a/b" never writes "a".
//
// Every object is whole or not there: whatever is killed at whatever moment, nobody ever reads a part of one.
// What put(), adopt(), replace() and remove() did is durable when they return, and every later open() and
// list() of every process sees it.  When they throw it is unknown whether they did it, and the same call may
// be made again.
//
// For those who write an implementation:
//   S3     put is PutObject with If-None-Match: *; a list is strongly consistent; a large adopt() is a
//          multipart upload, completed with the same condition.
//   Swift  the same words; containers with eventual listings (old versions) do not qualify.
//   SFTP   a temporary name beginning with ".", fsync@openssh.com, then hardlink@openssh.com, which fails
//          when the name exists; replace() is posix-rename@openssh.com.
//   An answer that is lost after the work was done is asked for again, and then the object exists: when its
//   bytes are those that were sent, the answer is "made".
//
// Errors: Io (the local disk refuses), Transient (a line or a service; the same call may work later), Refused
// (no right to), NotFound (ObjectReader only).  None of them is ever given for "there is no such object":
// that is an answer.
//
// Any thread may call anything here at any time; an ObjectReader serves one thread at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace bk {

inline constexpr std::size_t kMaxNameBytes = 512;  // of an object; S3 and Swift take 1,024
// True for what may name an object.
[[nodiscard]] bool is_object_name(std::string_view name) noexcept;
void require_object_name(std::string_view name);  // throws Usage

// The bytes of one object, which never change.
class ObjectReader {
 public:
  virtual ~ObjectReader() = default;
  [[nodiscard]] virtual std::uint64_t size() = 0;
  // Reads `bytes` bytes from `offset`, fewer only where the object ends (none behind its end).  Throws
  // NotFound when the object was removed since it was opened; a folder still has it then.
  [[nodiscard]] virtual std::size_t read(std::uint64_t offset, char* into, std::size_t bytes) = 0;
  // The same for what is read once: no cache holds it afterwards that did not before.
  [[nodiscard]] virtual std::size_t read_in_passing(std::uint64_t offset, char* into, std::size_t bytes) {
    return read(offset, into, bytes);
  }
  // These bytes will be read soon.  Does not wait.
  virtual void prefetch(std::uint64_t offset, std::uint64_t bytes) {
    (void)offset;
    (void)bytes;
  }
};

struct ListedObject {
  std::string name;
  std::uint64_t bytes = 0;
  bool operator==(const ListedObject&) const = default;
};

class Storage {
 public:
  virtual ~Storage() = default;

  // Makes an object.  False when one of that name exists: nothing was changed.  Of several puts of one name
  // with different bytes exactly one makes it.
  [[nodiscard]] virtual bool put(const std::string& name, std::string_view bytes) = 0;
  // The same with the bytes of a local file, which is gone when the object stands (a folder renames it).
  // When an object of that name with the same bytes exists, an earlier adopt() was interrupted: the file
  // goes, true.  With other bytes: false, the file stays.
  [[nodiscard]] virtual bool adopt(const std::string& name, const std::string& file) = 0;
  // Puts the local file's bytes in the place of what may stand there, in one step: readers see the old object
  // or the new one.  Only for another form of the same truth (a healed pack): nothing finished changes its
  // meaning.
  virtual void replace(const std::string& name, const std::string& file) = 0;
  // Nothing when there is no such object.
  [[nodiscard]] virtual std::unique_ptr<ObjectReader> open(const std::string& name) = 0;
  // Objects whose names begin with `prefix` and sort behind `after`, by bytes, at most `most` (1 or more) or
  // fewer; only an empty answer means that there are no more.  What is put or removed meanwhile may or may
  // not be seen; everything else is seen once.
  [[nodiscard]] virtual std::vector<ListedObject> list(const std::string& prefix, const std::string& after,
                                                       std::size_t most) = 0;
  // A missing object is fine.
  virtual void remove(const std::string& name) = 0;
  // For messages: where an object lies, as people know it.
  [[nodiscard]] virtual std::string shown(const std::string& name) const = 0;

  // The whole object, nothing when there is none.  Larger than `limit_bytes` throws Io (EFBIG).
  [[nodiscard]] std::optional<std::string> get(const std::string& name, std::uint64_t limit_bytes);
  [[nodiscard]] bool exists(const std::string& name) { return open(name) != nullptr; }
};

// Calls `visit` for all objects below a prefix, in order, page by page, until it returns false.
void for_each_object(Storage& storage, const std::string& prefix,
                     const std::function<bool(const ListedObject&)>& visit);
// The parts that follow `prefix` (empty, or ending in "/") in names that go on behind them: what a folder
// would call its subfolders.  One list() of one object each.
[[nodiscard]] std::vector<std::string> list_parts(Storage& storage, const std::string& prefix);

}  // namespace bk
