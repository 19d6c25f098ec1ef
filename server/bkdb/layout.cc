#include "server/bkdb/layout.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>

namespace bk::bkdb {
namespace {

constexpr const char* kBold = "\033[01m";
constexpr const char* kFaint = "\033[02m";
constexpr const char* kRed = "\033[31;01m";
constexpr const char* kGreen = "\033[32m";
constexpr const char* kReset = "\033[0m";

std::string coloured(bool colours, const char* code, const std::string& text) {
  return colours ? code + text + kReset : text;
}

// Red: entries are missing from it.  Bold: differs from the one before.  Faint: the same again.
std::string cell(const std::vector<Source>& sources, const Selected& chosen, std::size_t at,
                 const LayoutOptions& options) {
  const Source& source = sources[chosen.source];
  const store::SnapshotRecord& snapshot = source.snapshots[at];
  const char* code = snapshot.skipped_count > 0 ? kRed : has_change(source, at) ? kBold : kFaint;
  return coloured(options.colours, code, shown_time(snapshot.began, options.zone)) +
         coloured(options.colours, kGreen, fmt::format(" [{}]", chosen.source));
}

std::string block(const std::vector<Source>& sources, const Selected& chosen, const LayoutOptions& options) {
  std::string out = coloured(options.colours, kGreen, fmt::format("[{}]", chosen.source)) + " " +
                    source_label(sources, chosen.source) + ":\n";
  const std::size_t count = chosen.snapshots.size();
  if (count == 0) return out;
  const std::size_t rows = (count + 2) / 3;
  for (std::size_t row = 0; row < rows; ++row) {
    out += '\t';
    for (std::size_t i = row; i < count; i += rows) {
      if (i != row) out += "\t\t";
      out += cell(sources, chosen, chosen.snapshots[i], options);
    }
    out += '\n';
  }
  return out + "\n";
}

}  // namespace

std::string source_label(const std::vector<Source>& sources, std::size_t at) {
  const Source& source = sources[at];
  const auto kind = [](const Source& s) { return std::tie(s.client, s.method, s.module); };
  const bool mixed =
      std::any_of(sources.begin(), sources.end(), [&](const Source& s) { return kind(s) != kind(source); });
  if (!mixed) return shown_path(source.name);
  return fmt::format("{}  ({}, {}, {})", shown_path(source.name), source.client, source.method,
                     source.module);
}

std::string layout(const std::vector<Source>& sources, const std::vector<Selected>& selected,
                   const LayoutOptions& options) {
  std::string out = fmt::format("Base path: \"{}\"\n", options.base_path);
  for (std::size_t i = 0; i < sources.size(); ++i)
    out += coloured(options.colours, kGreen, "*") + " " +
           coloured(options.colours, kBold, fmt::format("[{}]", i)) + " " + source_label(sources, i) + "\n";
  for (const Selected& chosen : selected) out += block(sources, chosen, options);
  return out;
}

}  // namespace bk::bkdb
