// What a user types at bkdb, and what stands in an exported folder: data_idx, datetime_range, paths,
// EXPORT.txt.
//
// Only Error of Kind::Usage (Protocol for the list) may come out, and what parses must keep its promises.
#include "common/error/error.h"
#include "common/restore/export_list.h"
#include "server/bkdb/data_index.h"
#include "server/bkdb/sources.h"
#include "server/bkdb/time_range.h"

#include <algorithm>
#include <cstdint>

namespace {

using namespace bk;
using namespace bk::bkdb;

template <class Body>
void only(Kind kind, Body&& body) {
  try {
    body();
  } catch (const Error& error) {
    BK_CHECK(error.kind() == kind);
  }
}

void try_range(std::string_view text) {
  const Timestamp now{1'379'678'400, 0};
  const TimeRange range = parse_time_range(text, now, Zone::Utc);
  const std::vector<Timestamp> times = {{range.first - 1, 0}, {range.first, 5}, {range.first + 1, 0}};
  const std::vector<std::size_t> chosen = select(range, times);
  BK_CHECK(chosen.size() <= times.size() && (!range.count || chosen.size() <= *range.count));
  const bool oldest_first = range.kind == TimeRange::Kind::After;
  BK_CHECK(oldest_first ? std::is_sorted(chosen.begin(), chosen.end())
                        : std::is_sorted(chosen.rbegin(), chosen.rend()));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  only(Kind::Usage, [&] {
    const std::vector<std::size_t> indices = parse_data_index(text, 7);
    BK_CHECK(!indices.empty() && indices.back() < 7);
  });
  only(Kind::Usage, [&] { try_range(text); });
  only(Kind::Protocol, [&] {
    const auto list = parse_export_list(text);
    BK_CHECK(parse_export_list(write_export_list(list)) == list);
  });
  const std::string shown = shown_path(text);
  BK_CHECK(std::none_of(shown.begin(), shown.end(),
                        [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }));
  return 0;
}
