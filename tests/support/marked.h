// Content that says what it is, so that a mixture of two versions cannot pass for either.
//
// A version of a file is a row of blocks; each begins with the file, the version and its own position, and
// the rest of its bytes follow from these three.  Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace bk::test {

inline constexpr std::size_t kMarkedBlock = 4096;

struct Mark {
  std::uint64_t file = 0, version = 0, block = 0;
  bool operator==(const Mark&) const = default;
};

[[nodiscard]] std::string marked_block(const Mark& mark);
// The mark of a whole block, when every byte of it is as that mark says.
[[nodiscard]] std::optional<Mark> read_mark(std::string_view block);

// The first `size` bytes of a version.
[[nodiscard]] std::string marked_content(std::uint64_t file, std::uint64_t version, std::size_t size);
// How long this version of a file of about `size` bytes is: versions differ in length, too.
[[nodiscard]] std::size_t marked_size(std::uint64_t file, std::uint64_t version, std::size_t size);

// Whether `content` could be read at one moment from a file that is …
// replaced as a whole:
[[nodiscard]] bool is_one_version(std::string_view content, std::uint64_t file, std::size_t size);
// cut to nothing, and written again from its beginning (or appended to):
[[nodiscard]] bool is_begin_of_a_version(std::string_view content, std::uint64_t file);
// overwritten block by block from its beginning, over and over:
[[nodiscard]] bool is_between_two_versions(std::string_view content, std::uint64_t file);

}  // namespace bk::test
