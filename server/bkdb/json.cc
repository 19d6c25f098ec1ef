#include "server/bkdb/json.h"

#include "common/text/escape.h"
#include "common/text/json_path.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

namespace bk::bkdb {
namespace {

using nlohmann::json;

json snapshot_form(const Source& source, std::size_t at) {
  const store::SnapshotRecord& s = source.snapshots[at];
  return {{"id", s.id},
          {"sequence", s.sequence},
          {"began", to_text(s.began)},
          {"ended", to_text(s.ended)},
          {"files", s.files},
          {"directories", s.directories},
          {"others", s.others},
          {"bytes", s.bytes},
          {"skipped", s.skipped_count},
          {"changed", has_change(source, at)},
          {"by", s.by}};
}

json reference(const store::SnapshotRecord& s) {
  json out = {{"source", source_id(s.client, s.module, s.method, s.name)},
              {"snapshot", s.id},
              {"began", to_text(s.began)}};
  return out;
}

std::string line(const json& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::strict) + "\n";
}

}  // namespace

std::string ls_json(const std::vector<Source>& sources, const std::vector<Selected>& selected,
                    const std::string& base_path, const std::map<std::string, std::uint64_t>& used) {
  json out = {{"base_path", percent_encode(base_path)}, {"sources", json::array()}, {"used_bytes", used}};
  for (std::size_t i = 0; i < sources.size(); ++i) {
    const Source& s = sources[i];
    json source = {
        {"index", i}, {"id", s.id()}, {"client", s.client}, {"module", s.module}, {"method", s.method}};
    add_path(source, s.name);
    const auto chosen =
        std::find_if(selected.begin(), selected.end(), [&](const Selected& one) { return one.source == i; });
    source["selected"] = chosen != selected.end();
    source["snapshots"] = json::array();
    if (chosen != selected.end())
      for (const std::size_t at : chosen->snapshots) source["snapshots"].push_back(snapshot_form(s, at));
    out["sources"].push_back(std::move(source));
  }
  return line(out);
}

std::string entry_json(const Source&, std::size_t index, const store::SnapshotRecord& snapshot,
                       const std::string& path, const Entry& e) {
  json out = reference(snapshot);
  add_path(out, path);
  out["index"] = index;
  out["type"] = std::string(1, static_cast<char>(e.type));
  out["mode"] = fmt::format("{:04o}", e.mode);
  out["uid"] = e.uid;
  out["gid"] = e.gid;
  out["size"] = e.size;
  out["mtime"] = to_text(e.mtime);
  out["links"] = e.links;
  if (e.type == EntryType::Symlink) out["target"] = percent_encode(e.target);
  if (e.type == EntryType::CharDevice || e.type == EntryType::BlockDevice) {
    out["major"] = e.rdev_major;
    out["minor"] = e.rdev_minor;
  }
  for (const Xattr& attribute : e.xattrs)
    out["xattrs"][percent_encode(attribute.name)] = base64url_encode(attribute.value);
  if (e.changed_while_read) out["changed_while_read"] = true;
  if (e.unreadable) out["unreadable"] = true;
  return line(out);
}

std::string problem_json(const store::SnapshotRecord& snapshot, const std::string& path,
                         const Reason& reason) {
  json out = reference(snapshot);
  add_path(out, path);
  out["client"] = snapshot.client;
  out["source_path"] = percent_encode(snapshot.name);
  out["reason"] = reason.text;
  if (reason.unreadable) out["unreadable"] = true;
  return line(out);
}

std::string totals_json(const VerifyTotals& t, std::uint64_t problems) {
  return line({{"snapshots", t.snapshots},
               {"sealed", t.sealed},
               {"directories", t.directories},
               {"files", t.files},
               {"chunks", t.chunks},
               {"bytes", t.bytes},
               {"problems", problems}});
}

std::string exported_json(std::size_t index, const store::SnapshotRecord& snapshot,
                          const std::string& entry) {
  json out = reference(snapshot);
  add_path(out, snapshot.name);
  out["index"] = index;
  out["entry"] = entry;
  return line(out);
}

std::string kept_json(const store::SnapshotRecord& snapshot, const std::vector<std::string>& reasons) {
  json out = reference(snapshot);
  add_path(out, snapshot.name);
  out["stays"] = reasons;
  return line(out);
}

std::string numbers_json(const std::vector<std::pair<std::string, std::uint64_t>>& numbers) {
  json out;
  for (const auto& [name, value] : numbers) out[name] = value;
  return line(out);
}

}  // namespace bk::bkdb
