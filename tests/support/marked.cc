#include "tests/support/marked.h"

#include <algorithm>
#include <array>
#include <cstring>

namespace bk::test {

namespace {

constexpr std::string_view kMagic = "MARKED!\n";
constexpr std::size_t kHead = kMagic.size() + 3 * sizeof(std::uint64_t);

std::optional<Mark> read_head(std::string_view block) {
  if (block.size() < kHead || !block.starts_with(kMagic)) return std::nullopt;
  std::array<std::uint64_t, 3> numbers{};
  std::memcpy(numbers.data(), block.data() + kMagic.size(), sizeof numbers);
  return Mark{numbers[0], numbers[1], numbers[2]};
}

}  // namespace

std::string marked_block(const Mark& mark) {
  std::string block(kMagic);
  const std::array<std::uint64_t, 3> numbers{mark.file, mark.version, mark.block};
  block.append(reinterpret_cast<const char*>(numbers.data()), sizeof numbers);
  std::uint64_t x = mark.file * 0x9e3779b97f4a7c15U + mark.version * 0xbf58476d1ce4e5b9U + mark.block;
  while (block.size() < kMarkedBlock) {
    x = x * 6364136223846793005U + 1442695040888963407U;
    block.append(reinterpret_cast<const char*>(&x), sizeof x);
  }
  return block;
}

std::optional<Mark> read_mark(std::string_view block) {
  const auto mark = read_head(block);
  if (!mark || block != marked_block(*mark)) return std::nullopt;
  return mark;
}

std::string marked_content(std::uint64_t file, std::uint64_t version, std::size_t size) {
  std::string content;
  for (std::uint64_t block = 0; content.size() < size; ++block)
    content += marked_block({file, version, block});
  content.resize(size);
  return content;
}

std::size_t marked_size(std::uint64_t file, std::uint64_t version, std::size_t size) {
  return size + static_cast<std::size_t>((file * 31 + version * 7919) % 1000);
}

bool is_one_version(std::string_view content, std::uint64_t file, std::size_t size) {
  const auto first = read_head(content);
  return first && first->file == file && content.size() == marked_size(file, first->version, size) &&
         content == marked_content(file, first->version, content.size());
}

bool is_begin_of_a_version(std::string_view content, std::uint64_t file) {
  if (content.size() < kHead) return kMagic.starts_with(content.substr(0, kMagic.size()));
  const auto first = read_head(content);
  return first && first->file == file && content == marked_content(file, first->version, content.size());
}

bool is_between_two_versions(std::string_view content, std::uint64_t file) {
  if (content.size() % kMarkedBlock != 0) return false;
  std::uint64_t first = 0, last = 0;
  for (std::size_t at = 0; at < content.size(); at += kMarkedBlock) {
    const auto mark = read_mark(content.substr(at, kMarkedBlock));
    if (!mark || mark->file != file || mark->block != at / kMarkedBlock) return false;
    if (at == 0) first = last = mark->version;
    if (mark->version > last || mark->version + 1 < first) return false;
    last = mark->version;
  }
  return true;
}

}  // namespace bk::test
