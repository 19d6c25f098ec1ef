// Whole-file reading and durable writing.  Paths are bytes in std::string, exactly as the kernel takes them.
//
// Durable means: when the function returns, a power cut leaves the new state.  The order is always
// file data -> name -> directory; a failed fsync is never retried, because Linux marks the pages clean
// after reporting the error once ("fsyncgate"): the state is unknown and the caller stops.
#pragma once

#include "common/io/fd.h"

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace bk {

// open(2) with O_CLOEXEC; throws Io.
[[nodiscard]] Fd open_file(const std::string& path, int flags, mode_t mode = 0600);
// A directory handle; throws Io.
[[nodiscard]] Fd open_directory(const std::string& path);

// The whole file.  Larger than `limit_bytes`: throws Io (EFBIG).  Missing: throws Io (ENOENT).
[[nodiscard]] std::string read_file(const std::string& path, std::uint64_t limit_bytes = 64U << 20U);
// As read_file, but nothing when the file does not exist.
[[nodiscard]] std::optional<std::string> try_read_file(const std::string& path,
                                                       std::uint64_t limit_bytes = 64U << 20U);
// As read_file, from an open descriptor's current position.
[[nodiscard]] std::string read_rest(int fd, std::uint64_t limit_bytes = 64U << 20U);

// Writes everything, through short writes and EINTR; throws Io, which names the file when it has a name.
void write_all(int fd, std::string_view bytes);
// The same at an offset, leaving the descriptor's position alone.
void pwrite_all(int fd, std::string_view bytes, std::uint64_t offset);
// ftruncate(2); throws Io.
void resize_file(int fd, std::uint64_t bytes);
// Reads until `size` bytes or end of file; returns what was read.
[[nodiscard]] std::size_t read_up_to(int fd, void* buffer, std::size_t size);
// The same at an offset, leaving the descriptor's position alone.
[[nodiscard]] std::size_t pread_up_to(int fd, void* buffer, std::size_t size, std::uint64_t offset);

// Writes a temporary file beside `path`, syncs it, renames it over `path`, syncs the directory.
// Readers see the old bytes or the new ones, never a mix.  What a kill leaves: temporary.h.
void replace_durably(const std::string& path, std::string_view bytes, mode_t mode = 0600);
// As replace_durably, but fails with false, changing nothing, when `path` exists.
[[nodiscard]] bool create_durably(const std::string& path, std::string_view bytes, mode_t mode = 0600);

// The same through a temporary file of this name, which is only used under a lock that the caller holds.  So
// what a killed process left there is known without a search and overwritten.
[[nodiscard]] bool create_durably_by(const std::string& temporary, const std::string& path,
                                     std::string_view bytes, mode_t mode = 0600);

// The same through a temporary file in a folder of the same file system, owned as temporary.h says.
[[nodiscard]] bool create_durably_from(const std::string& folder, const std::string& path,
                                       std::string_view bytes, mode_t mode = 0600);

// renameat2(RENAME_NOREPLACE), then fsync of both directories.  False when `to` exists: nothing changed.
[[nodiscard]] bool rename_noreplace_durably(const std::string& from, const std::string& to);
// rename(2), replacing, then fsync of both directories.
void rename_durably(const std::string& from, const std::string& to);
// unlink, then fsync of the directory.  A missing file is fine.
void remove_durably(const std::string& path);

void sync_file(int fd);
void sync_directory(const std::string& path);
// mkdir -p; every directory made is synced into its parent.
void ensure_directory(const std::string& path, mode_t mode = 0700);
// Removes a tree, walking by descriptors and never through a symlink.  A missing path is fine.
void remove_tree(const std::string& path);

[[nodiscard]] bool path_exists(const std::string& path);  // lstat; throws Io on anything but ENOENT/ENOTDIR
[[nodiscard]] bool is_directory(const std::string& path);
// Names in a directory, sorted by bytes, without "." and "..".  Throws Io: "could not list" is never "empty".
[[nodiscard]] std::vector<std::string> list_directory(const std::string& path);

[[nodiscard]] std::string parent_of(const std::string& path);  // "a/b" -> "a", "b" -> ".", "/b" -> "/"
[[nodiscard]] std::string base_name(const std::string& path);  // "a/b" -> "b"
[[nodiscard]] std::string join_path(std::string_view a, std::string_view b);
// An absolute, lexically clean form ("//", "." and trailing "/" gone, ".." refused with Usage); no symlink is
// resolved.
[[nodiscard]] std::string clean_absolute(std::string_view path);

}  // namespace bk
