#include "server/bkdb/sources.h"

#include "common/text/escape.h"
#include "server/bkdb/zone.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <tuple>

namespace bk::bkdb {
namespace {

using SortKey = std::tuple<std::string, std::string, std::string, std::string>;

SortKey key_of(const store::SnapshotRecord& r) { return {r.name, r.method, r.client, r.module}; }

// Length of the UTF-8 sequence at the front that a terminal can show, or 0.
std::size_t printable_length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  if (byte(0) < 0x20 || byte(0) == 0x7f) return 0;
  if (byte(0) < 0x80) return 1;
  const std::size_t length = byte(0) >= 0xf5   ? 0
                             : byte(0) >= 0xf0 ? 4
                             : byte(0) >= 0xe0 ? 3
                             : byte(0) >= 0xc2 ? 2
                                               : 0;
  if (length == 0 || text.size() < length) return 0;
  for (std::size_t i = 1; i < length; ++i)
    if ((byte(i) & 0xc0U) != 0x80U) return 0;
  if (byte(0) == 0xc2 && byte(1) < 0xa0) return 0;   // C1 controls
  if (byte(0) == 0xe0 && byte(1) < 0xa0) return 0;   // overlong
  if (byte(0) == 0xed && byte(1) >= 0xa0) return 0;  // surrogates
  if (byte(0) == 0xf0 && byte(1) < 0x90) return 0;   // overlong
  if (byte(0) == 0xf4 && byte(1) >= 0x90) return 0;  // beyond U+10FFFF
  if (byte(0) == 0xe2 && byte(1) == 0x80 && byte(2) >= 0xa8 && byte(2) <= 0xae)
    return 0;  // line breaks, direction
  if (byte(0) == 0xe2 && byte(1) == 0x81 && byte(2) >= 0xa6 && byte(2) <= 0xa9)
    return 0;  // direction isolates
  return length;
}

}  // namespace

std::string source_id(const std::string& client, const std::string& module, const std::string& method,
                      const std::string& name) {
  Sha256 hash;
  for (const std::string* part : {&client, &module, &method, &name})
    hash.update(*part).update(std::string_view("\0", 1));
  return hash.finish().hex().substr(0, 16);
}

std::string Source::id() const { return source_id(client, module, method, name); }

std::vector<Source> group_sources(std::vector<store::SnapshotRecord> snapshots, const Filter& filter) {
  std::map<SortKey, Source> grouped;
  for (store::SnapshotRecord& record : snapshots) {
    if (!filter.client.empty() && record.client != filter.client) continue;
    if (!filter.module.empty() && record.module != filter.module) continue;
    if (!filter.method.empty() && record.method != filter.method) continue;
    Source& source = grouped[key_of(record)];
    if (source.snapshots.empty()) {
      source.client = record.client;
      source.module = record.module;
      source.method = record.method;
      source.name = record.name;
    }
    source.snapshots.push_back(std::move(record));
  }
  std::vector<Source> out;
  for (auto& [key, source] : grouped) {
    std::sort(source.snapshots.begin(), source.snapshots.end(), [](const auto& a, const auto& b) {
      return std::tie(a.began, a.sequence) < std::tie(b.began, b.sequence);
    });
    out.push_back(std::move(source));
  }
  return out;
}

bool has_change(const Source& source, std::size_t at) {
  if (at == 0) return true;
  const Entry& now = source.snapshots[at].root;
  const Entry& before = source.snapshots[at - 1].root;
  return now.type != before.type || now.node != before.node || now.content != before.content;
}

std::string entry_name(std::size_t index, const store::SnapshotRecord& snapshot) {
  return fmt::format("{}_{}_{}", index, compact_time(snapshot.began), snapshot.id.substr(0, 12));
}

std::string shown_path(std::string_view path) {
  std::string_view rest = path;
  while (!rest.empty()) {
    const std::size_t length = printable_length(rest);
    if (length == 0) return quoted(path);
    rest.remove_prefix(length);
  }
  return std::string(path);
}

}  // namespace bk::bkdb
