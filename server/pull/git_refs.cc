#include "server/pull/git_refs.h"

#include "common/error/error.h"
#include "common/text/escape.h"

#include <algorithm>

namespace bk::pull {
namespace {

bool is_oid(std::string_view text) {
  return (text.size() == 40 || text.size() == 64) && std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
}

// As git-check-ref-format(1) has it, but for what harms nobody: the far side names what it likes, and names
// go on into NUL-separated commands.
bool is_ref_name(std::string_view name) {
  return name.starts_with("refs/") && !name.ends_with('/') && name.find("..") == std::string_view::npos &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return static_cast<unsigned char>(c) > ' ' && c != 0x7f &&
                  std::string_view("~^:?*[\\").find(c) == std::string_view::npos;
         });
}

template <class Sink>
void for_each_line(std::string_view text, Sink&& sink) {
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    sink(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

}  // namespace

RemoteRefs parse_ls_remote(std::string_view text) {
  RemoteRefs out;
  for_each_line(text, [&](std::string_view line) {
    const std::size_t tab = line.find('\t');
    if (tab == std::string_view::npos) return;
    const std::string_view what = line.substr(0, tab);
    const std::string_view name = line.substr(tab + 1);
    if (what.starts_with("ref: ")) {
      const std::string_view branch = what.substr(5);
      if (name == "HEAD" && branch.starts_with("refs/heads/") && is_ref_name(branch)) out.head = branch;
    } else if (is_oid(what) && name == "HEAD") {
      out.head_oid = what;
    } else if (is_oid(what) && is_ref_name(name)) {
      out.refs[std::string(name)] = what;
    }
  });
  return out;
}

Refs parse_for_each_ref(std::string_view text) {
  Refs out;
  for_each_line(text, [&](std::string_view line) {
    const std::size_t space = line.find(' ');
    if (space != std::string_view::npos && is_oid(line.substr(0, space)) &&
        is_ref_name(line.substr(space + 1)))
      out[std::string(line.substr(space + 1))] = line.substr(0, space);
  });
  return out;
}

bool is_kept(std::string_view ref) { return ref.starts_with(kKeptPrefix); }

Refs without_kept(const Refs& refs) {
  Refs out;
  for (const auto& [name, oid] : refs) {
    if (!is_kept(name)) out.emplace(name, oid);
  }
  return out;
}

std::string kept_name(std::string_view ref, std::string_view time) {
  constexpr std::string_view kRefs = "refs/";
  return std::string(kKeptPrefix) + std::string(time) + "/" + std::string(ref.substr(kRefs.size()));
}

std::string packed_refs(const Refs& refs) {
  // Without the words about peeled tags: git looks these up, and pack-refs writes them later.
  std::string out = "# pack-refs with: sorted \n";
  for (const auto& [name, oid] : refs) {
    const std::string below = name + "/";
    if (const auto next = refs.lower_bound(below); next != refs.end() && next->first.starts_with(below))
      throw Error(Kind::Protocol,
                  "the repository has the refs " + quoted(name) + " and " + quoted(next->first));
    out += oid + " " + name + "\n";
  }
  return out;
}

Refs keep_in(Refs refs, const Moves& moves, std::string_view time, bool remove_gone) {
  for (const Refs* lost : {&moves.moved, &moves.gone}) {
    for (const auto& [name, oid] : *lost) refs[kept_name(name, time)] = oid;
  }
  if (remove_gone) {
    for (const auto& [name, oid] : moves.gone) refs.erase(name);
  }
  return refs;
}

Moves compare_refs(const Refs& before, const Refs& after) {
  Moves out;
  for (const auto& [name, oid] : before) {
    const auto it = after.find(name);
    if (it == after.end()) {
      out.gone.emplace(name, oid);
    } else if (it->second != oid) {
      out.moved.emplace(name, oid);
    }
  }
  return out;
}

std::string keep_transaction(const Moves& moves, std::string_view time, bool remove_gone) {
  std::string out;
  const auto keep = [&](const std::string& name, const std::string& oid) {
    // "update" and not "create": a run that was killed may have kept the same one already.
    out += "update " + kept_name(name, time) + '\0' + oid + '\0' + '\0';
  };
  for (const auto& [name, oid] : moves.moved) keep(name, oid);
  for (const auto& [name, oid] : moves.gone) {
    keep(name, oid);
    if (remove_gone) out += "delete " + name + '\0' + oid + '\0';
  }
  return out;
}

}  // namespace bk::pull
