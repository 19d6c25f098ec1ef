// Damaged journals, snapshot objects and marks of one client made whole again (snapshot_log.h).
#include "common/error/error.h"
#include "common/io/crash.h"
#include "common/io/file.h"
#include "common/io/temporary.h"
#include "common/text/escape.h"
#include "server/store/bad_sectors.h"
#include "server/store/heal.h"
#include "server/store/snapshot_log.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>

namespace bk::store {
namespace {

using What = HealEvent::What;

// What is wrong with it; an empty text when it is good.
PackProblem problem_of(const std::function<void()>& look) {
  try {
    look();
    return {};
  } catch (const Error& error) {
    if (error.kind() != Kind::Corrupt && error.kind() != Kind::Protocol && !is_media_error(error)) throw;
    return {error.what(), is_media_error(error)};
  }
}

std::optional<MarkKind> mark_kind_of(const std::string& word) {
  for (const MarkKind kind : kMarkKinds)
    if (to_word(kind) == word) return kind;
  return std::nullopt;
}

}  // namespace

// Each line from where it still stands: the journal itself, its object, the other copy's journal or object.
// The hashes decide: nothing else continues the chain.
void SnapshotLog::heal_journal(const Copy& copy, const HealReport& report) {
  PackProblem problem = problem_of([&] { (void)journal().lines(); });
  if (problem.text.empty() && has_objects_behind(journal().size().lines))
    problem.text = "its last lines are lost";
  if (problem.text.empty()) return;
  const std::string path = folder_ + "/journal";
  const SnapshotJournal other(copy.folder + "/journal", first_hash());
  std::vector<JournalLine> lines;
  SnapshotJournal::End end{0, first_hash()};
  for (;;) {
    std::optional<JournalLine> next = journal().line_after(end);
    if (!next) next = stated_line(*storage_, end);
    if (!next && copy.storage != nullptr) next = other.line_after(end);
    if (!next && copy.storage != nullptr) next = stated_line(*copy.storage, end);
    if (!next) break;
    end = {next->number, next->hash};
    lines.push_back(*std::move(next));
  }
  if (lines.empty() || has_objects_behind(end.count))
    return report(
        {What::FileDamaged, path,
         fmt::format("{}; neither it nor an object says what follows line {}", problem.text, end.count),
         problem.unreadable});
  (void)remove_abandoned_in(folder_);
  std::string made;
  std::optional<Fd> owner;  // until it has its name: others clear away what nobody owns
  while (!owner) {
    made = folder_ + "/" + std::string(kTemporaryPrefix) + shown_pack(new_number()).substr(5);
    owner = try_create_owned(made);
  }
  SnapshotJournal(made, first_hash()).append(lines);
  (void)SnapshotJournal(made, first_hash()).lines();
  crash_point("store.heal-journal-written");
  rename_durably(made, path);
  crash_point("store.heal-journal-replaced");
  report({What::FileMade, path, fmt::format("{} lines made anew: {}", lines.size(), problem.text)});
}

void SnapshotLog::heal_object(const Layout& layout, const JournalLine& line, const std::string& before,
                              const std::vector<JournalLine>& all, const Copy& copy,
                              const HealReport& report) {
  const bool removed = std::any_of(all.begin(), all.end(), [&](const JournalLine& other) {
    return other.kind == "removal" && other.object == line.object;
  });
  const bool is_record = line.kind == "snapshot";
  if (is_record && removed && open_if_readable(*storage_, object_name(line.number)))
    return;  // the next clean takes it
  const std::string kind = is_record && removed ? "gone" : line.kind;
  const PackProblem problem = problem_of([&] {
    if (kind == "snapshot")
      (void)load(line);
    else
      (void)load_mark(line, *mark_kind_of(kind));
  });
  if (problem.text.empty()) return;
  const std::string name = object_name(line.number, kind);
  const auto take = [&](const std::string& text, What what, const std::string& detail) {
    replace_object(layout, name, store_.domain ? store_.domain->cover(name, text) : text);
    report({what, storage_->shown(name), detail});
  };
  std::optional<std::string> text;
  if (copy.storage != nullptr) (void)problem_of([&] { text = copy.storage->get(name, kMaxSnapshotBytes); });
  if (text && kind == "snapshot" && Sha256::of(*text).hex() == line.object)
    return take(*text, What::FileCopied, "taken from " + quoted(copy.storage->shown(name)));
  if (kind == "snapshot")
    return report({What::FileDamaged, storage_->shown(name), problem.text, problem.unreadable});
  SnapshotMark said;
  if (text && problem_of([&] { said = parse_mark(*mark_kind_of(kind), *text); }).text.empty() &&
      said.client == client_ && said.snapshot == line.object && said.source == line.source)
    return take(*text, What::FileCopied, "taken from " + quoted(copy.storage->shown(name)));
  const auto about = std::find_if(all.begin(), all.end(), [&](const JournalLine& other) {
    return other.kind == "snapshot" && other.object == line.object;
  });
  SnapshotMark mark = mark_of(about == all.end() ? line : *about);
  mark.kind = *mark_kind_of(kind);
  mark.previous = before;
  if (kind != "gone") mark.reason = "made anew by bkdb heal; who said it and why is lost";
  take(write_mark(mark), What::FileMade, "made anew from the journal: " + problem.text);
}

void SnapshotLog::heal(const Layout& layout, const Copy& copy, const HealReport& report) {
  const FileLock lock = FileLock::exclusive(folder_ + "/lock");
  heal_journal(copy, report);
  std::vector<JournalLine> all;
  if (!problem_of([&] {
         repair_locked();
         all = journal().lines();
       }).text.empty())
    return;  // reported
  std::string before = "none";
  for (const JournalLine& line : all) {
    heal_object(layout, line, before, all, copy, report);
    before = line.hash;
  }
}

}  // namespace bk::store
