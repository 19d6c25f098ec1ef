#include "server/pull/agentless/listing.h"

#include <cstring>

namespace bk::pull {
namespace {

constexpr std::size_t kMemory = 4U << 20U;
constexpr std::size_t kSmall = 64U << 10U;  // stays in memory while the walk is elsewhere

// Behind the name and a NUL: no name is a prefix of another record's then.  Only this process reads it.
struct Packed {
  std::uint64_t bytes;
  std::int64_t mtime;
  std::uint32_t mode, uid, gid, has_mode;
};

}  // namespace

Listing::Listing(const std::shared_ptr<SpillFile>& file) : sorter_(std::make_unique<Sorter>(file, kMemory)) {}

void Listing::add(const std::string& name, const ssh::Sftp::Facts& facts) {
  const Packed packed{facts.bytes, facts.mtime, facts.mode.value_or(0),
                      facts.uid,   facts.gid,   facts.mode.has_value() ? 1U : 0U};
  std::string record = name;
  record += '\0';
  record.append(reinterpret_cast<const char*>(&packed), sizeof packed);
  sorter_->add(record);
}

void Listing::sort() {
  sorted_ = sorter_->finish();
  sorter_.reset();
}

void Listing::clear() {
  sorted_ = {};
  sorter_.reset();
}

std::optional<Listed> Listing::next() {
  const std::optional<std::string_view> record = sorted_.next();
  if (!record) return std::nullopt;
  Packed packed{};
  const std::size_t name = record->size() - sizeof packed - 1;
  std::memcpy(&packed, record->data() + name + 1, sizeof packed);
  Listed out{std::string(record->substr(0, name)), {}};
  if (packed.has_mode != 0) out.facts.mode = packed.mode;
  out.facts.uid = packed.uid;
  out.facts.gid = packed.gid;
  out.facts.bytes = packed.bytes;
  out.facts.mtime = packed.mtime;
  return out;
}

void Listing::set_aside(const std::shared_ptr<SpillFile>& file) {
  if (sorted_.in_memory() && sorted_.memory_bytes() > kSmall) sorted_.spill(file);
  if (!sorted_.in_memory()) sorted_.drop_buffer();
}

}  // namespace bk::pull
