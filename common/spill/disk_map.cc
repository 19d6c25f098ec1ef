#include "common/spill/disk_map.h"

#include "common/error/error.h"
#include "common/io/file.h"
#include "common/io/temporary.h"
#include "common/random/random.h"
#include "common/text/escape.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace bk {

namespace {

constexpr std::size_t kEntryOverhead = 128;  // of the in-memory map, about
constexpr std::size_t kTailBytes = 256U << 10U;
constexpr std::size_t kHeadBytes = 6;    // of a record: u16 length of the key, u32 of the value
constexpr std::size_t kFirstRead = 512;  // most records are shorter
constexpr unsigned kMaxDepth = 30;

// The folded product of wyhash: every bit of the result depends on every bit of both factors.
std::uint64_t fold(std::uint64_t a, std::uint64_t b) {
  __extension__ using Wide = unsigned __int128;
  const Wide product = static_cast<Wide>(a) * b;
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64U);
}

void write_at(int fd, std::string_view bytes, std::uint64_t offset, const std::string& directory) {
  while (!bytes.empty()) {
    const ssize_t put = ::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) throw sys_error(errno, "writing a temporary file in " + quoted(directory));
    offset += static_cast<std::uint64_t>(put);
    bytes.remove_prefix(static_cast<std::size_t>(put));
  }
}

}  // namespace

DiskMap::DiskMap(std::string directory, std::size_t memory_bytes)
    : directory_(std::move(directory)), memory_bytes_(memory_bytes) {}

std::uint64_t DiskMap::hash_of(std::string_view key) const {
  std::uint64_t hash = seed_[0] ^ key.size();
  while (!key.empty()) {
    std::uint64_t word = 0;
    const std::size_t part = std::min(key.size(), sizeof word);
    std::memcpy(&word, key.data(), part);
    key.remove_prefix(part);
    hash = fold(hash ^ word, seed_[1]) + seed_[0];
  }
  return fold(hash, seed_[1]);
}

std::optional<std::string> DiskMap::get(std::string_view key) {
  if (in_memory()) {
    const auto found = small_.find(std::string(key));
    return found == small_.end() ? std::nullopt : std::optional(found->second);
  }
  std::string value;
  if (find_slot(key, hash_of(key), &value) == kSlots) return std::nullopt;
  return value;
}

bool DiskMap::contains(std::string_view key) {
  if (in_memory()) return small_.contains(std::string(key));
  return find_slot(key, hash_of(key), nullptr) != kSlots;
}

bool DiskMap::insert(std::string_view key, std::string_view value) {
  BK_CHECK(key.size() <= UINT16_MAX && value.size() <= INT32_MAX);
  if (in_memory()) {
    if (!small_.try_emplace(std::string(key), value).second) return false;
    ++size_;
    used_bytes_ += key.size() + value.size() + kEntryOverhead;
    if (used_bytes_ > memory_bytes_) move_to_disk();
    return true;
  }
  const std::uint64_t hash = hash_of(key);
  if (find_slot(key, hash, nullptr) != kSlots) return false;
  add_slot({hash, append(key, value)});
  ++size_;
  return true;
}

void DiskMap::put(std::string_view key, std::string_view value) {
  if (insert(key, value)) return;
  if (in_memory()) {
    std::string& old = small_[std::string(key)];
    used_bytes_ += value.size();
    used_bytes_ -= old.size();
    old = value;
    if (used_bytes_ > memory_bytes_) move_to_disk();
    return;
  }
  page_.slots[find_slot(key, hash_of(key), nullptr)].offset = append(key, value);
  store_page(*loaded_, page_);
}

bool DiskMap::erase(std::string_view key) {
  if (in_memory()) {
    const auto found = small_.find(std::string(key));
    if (found == small_.end()) return false;
    used_bytes_ -= key.size() + found->second.size() + kEntryOverhead;
    small_.erase(found);
  } else {
    const std::size_t slot = find_slot(key, hash_of(key), nullptr);
    if (slot == kSlots) return false;
    page_.slots[slot] = page_.slots[--page_.count];
    store_page(*loaded_, page_);
  }
  --size_;
  return true;
}

void DiskMap::move_to_disk() {
  log_fd_ = make_unnamed(directory_);
  Fd pages = make_unnamed(directory_);
  const std::string random = SystemRandom().bytes(sizeof seed_);
  std::memcpy(seed_.data(), random.data(), sizeof seed_);
  seed_[1] |= 1U;
  pages_fd_ = std::move(pages);
  table_ = {0};
  pages_ = 1;
  store_page(0, Page{});
  for (const auto& [key, value] : small_) add_slot({hash_of(key), append(key, value)});
  small_ = {};
}

void DiskMap::load_page(std::uint32_t number) {
  if (loaded_ == number) return;
  loaded_.reset();
  if (pread_up_to(pages_fd_.get(), &page_, sizeof page_, std::uint64_t{number} * sizeof page_) !=
      sizeof page_)
    throw sys_error(EIO, "reading back a temporary file in " + quoted(directory_));
  loaded_ = number;
}

void DiskMap::store_page(std::uint32_t number, const Page& page) {
  write_at(pages_fd_.get(), {reinterpret_cast<const char*>(&page), sizeof page},
           std::uint64_t{number} * sizeof page, directory_);
}

std::size_t DiskMap::find_slot(std::string_view key, std::uint64_t hash, std::string* value) {
  load_page(table_[hash & (table_.size() - 1)]);
  for (std::size_t i = 0; i < page_.count; ++i) {
    if (page_.slots[i].hash == hash && read_record(page_.slots[i].offset, key, value)) return i;
  }
  return kSlots;
}

void DiskMap::add_slot(Slot slot) {
  load_page(table_[slot.hash & (table_.size() - 1)]);
  while (page_.count == kSlots) {
    split_page(slot.hash);
    load_page(table_[slot.hash & (table_.size() - 1)]);
  }
  page_.slots[page_.count++] = slot;
  store_page(*loaded_, page_);
}

// Divides the full page of `hash` by the next bit of its keys' hashes.
void DiskMap::split_page(std::uint64_t hash) {
  const unsigned bit = page_.depth;
  if (bit == kMaxDepth) throw Error(Kind::Io, "a temporary table in " + quoted(directory_) + " is full");
  if (bit == depth_) {
    table_.reserve(table_.size() * 2);
    table_.insert(table_.end(), table_.begin(), table_.end());
    ++depth_;
  }
  const std::uint32_t other = pages_++;
  Page low, high;
  low.depth = high.depth = bit + 1;
  for (const Slot& slot : page_.slots) {
    Page& side = (slot.hash >> bit & 1U) != 0 ? high : low;
    side.slots[side.count++] = slot;
  }
  const std::size_t step = std::size_t{1} << bit;
  for (std::size_t i = (hash & (step - 1)) | step; i < table_.size(); i += 2 * step) table_[i] = other;
  store_page(other, high);
  page_ = low;
  store_page(*loaded_, page_);
}

std::uint64_t DiskMap::append(std::string_view key, std::string_view value) {
  if (tail_.size() >= kTailBytes) {
    write_at(log_fd_.get(), tail_, log_bytes_, directory_);
    log_bytes_ += tail_.size();
    tail_.clear();
  }
  const std::uint64_t offset = log_bytes_ + tail_.size();
  const auto key_bytes = static_cast<std::uint16_t>(key.size());
  const auto value_bytes = static_cast<std::uint32_t>(value.size());
  tail_.append(reinterpret_cast<const char*>(&key_bytes), sizeof key_bytes);
  tail_.append(reinterpret_cast<const char*>(&value_bytes), sizeof value_bytes);
  tail_ += key;
  tail_ += value;
  return offset;
}

// Up to so many bytes; fewer at the end.
std::string_view DiskMap::read_log(std::uint64_t offset, std::size_t bytes) {
  if (offset >= log_bytes_) return std::string_view(tail_).substr(offset - log_bytes_, bytes);
  read_.resize(bytes);
  return std::string_view(read_).substr(0, pread_up_to(log_fd_.get(), read_.data(), bytes, offset));
}

// False when the record is another key's.
bool DiskMap::read_record(std::uint64_t offset, std::string_view key, std::string* value) {
  std::string_view record = read_log(offset, kFirstRead);
  const auto short_of = [&](std::size_t bytes) {
    if (record.size() < bytes) record = read_log(offset, bytes);
    if (record.size() < bytes) throw sys_error(EIO, "reading back a temporary file in " + quoted(directory_));
  };
  short_of(kHeadBytes);
  std::uint16_t key_bytes = 0;
  std::uint32_t value_bytes = 0;
  std::memcpy(&key_bytes, record.data(), sizeof key_bytes);
  std::memcpy(&value_bytes, record.data() + sizeof key_bytes, sizeof value_bytes);
  if (key_bytes != key.size()) return false;
  short_of(kHeadBytes + key_bytes);
  if (record.substr(kHeadBytes, key_bytes) != key) return false;
  if (value == nullptr) return true;
  short_of(kHeadBytes + key_bytes + value_bytes);
  *value = record.substr(kHeadBytes + key_bytes, value_bytes);
  return true;
}

}  // namespace bk
