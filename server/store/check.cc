#include "server/store/check.h"

#include "common/error/error.h"
#include "common/io/file.h"
#include "common/storage/folder_storage.h"
#include "common/text/escape.h"
#include "server/store/bad_sectors.h"
#include "server/store/index.h"
#include "server/store/pack_team.h"
#include "server/store/parity.h"
#include "server/store/scan.h"

#include <algorithm>
#include <mutex>
#include <utility>

namespace bk::store {
namespace {

// Decodes the group whose payload was just read, and compares every chunk with its identity.
void check_content(const RecordHead& head, const PackRef& pack, std::uint64_t offset, std::string& payload,
                   GroupDecoder& decoder, std::string& content,
                   const std::function<void(const StoredChunk&)>& good) {
  uncover_payload(head, {pack, offset}, payload);
  content = decoder.decode(head.codec, payload, head.content_bytes, std::move(content));
  for_each_chunk(head, pack.store, content,
                 [&](std::size_t, const StoredChunk& chunk, std::string_view) { good(chunk); });
}

}  // namespace

void check_pack(ObjectReader& file, const std::string& path, const PackRef& pack, bool finished,
                bool payloads, const PackFindings& findings) {
  BadSectors bad;
  PatientReader in(file, bad);
  const auto report = [&](const std::string& text) { findings.report({quoted(path) + text, false}); };
  const auto unreadable = [&](std::uint64_t from) {
    findings.report({quoted(path) + " cannot be read " + bad.text(from), true});
  };
  const auto place = [&](std::uint64_t from, std::uint64_t to) {
    if (findings.place) findings.place(from, to);
  };
  if (!finished && in.size() < kPackHeaderBytes) return;  // its maker died within its header
  try {
    check_pack_header(read_exactly(in, 0, kPackHeaderBytes), pack);
  } catch (const Error& error) {
    if (error.kind() != Kind::Corrupt) throw;
    bad.empty() ? report(std::string(": ") + error.what()) : unreadable(0);
  }
  PackScan scan(in, pack);
  std::uint64_t groups = 0;
  Sha256 digests;
  bool sealed = false, intact = true;
  GroupDecoder decoder;
  std::string content;
  const auto decode = [&](const ScannedRecord& record) {
    try {
      check_content(record.head, pack, record.offset, scan.payload(), decoder, content, findings.good);
    } catch (const Error& error) {
      if (error.kind() != Kind::Corrupt) throw;
      report(" offset " + std::to_string(record.offset) + ": " + error.what());
      place(record.offset, record.end);
    }
  };
  for (;;) {
    while (const std::optional<ScannedRecord> record = scan.next(payloads)) {
      if (sealed) report(": records follow the seal");
      if (record->head.type == RecordType::Seal) {
        sealed = true;
        if (intact &&
            (record->head.sealed_groups != groups || record->head.sealed_digest != digests.finish()))
          report(": its records are not those that were sealed");
        continue;
      }
      if (record->head.type == RecordType::Group) {
        ++groups;
        if (findings.chunks != nullptr) *findings.chunks += record->head.chunks.size();
        if (payloads && findings.good) decode(*record);
      }
      digests.update(record->digest);
    }
    if (scan.reason().empty()) break;
    const std::uint64_t from = scan.offset();
    const std::string damage = " offset " + std::to_string(from) + ": " + scan.reason();
    const bool more = scan.skip_to_next();
    if (more && scan.offset() == from) continue;  // it was in the making
    const std::uint64_t to = more ? scan.offset() : UINT64_MAX;
    // The end of a journal may be in the making, or torn by a crash: its next writer cuts it.
    if (bad.overlaps(from, to)) {
      unreadable(from);
      place(from, to);
    } else if (more || finished) {
      report(damage);
      place(from, to);
    }
    intact = false;
    if (!more) break;
  }
  if (finished && intact && !sealed) {
    report(": it is cut short, its seal is missing");
    place(scan.offset(), UINT64_MAX);
  }
}

PackAudit::PackAudit(const Layout& layout, const StoreId& store, PackPlan plan, Report report,
                     Progress progress, const ChunkMarker& marker)
    : layout_(layout),
      store_(store),
      plan_(std::move(plan)),
      report_(std::move(report)),
      progress_(std::move(progress)),
      marker_(marker),
      dates_(layout.index + "/verified") {}

// Every run draws anew; what is read is spread evenly over the store.
bool PackAudit::chosen(std::uint64_t number) const {
  if (plan_.not_read_for.count() > 0 && !dates_.older(number, plan_.not_read_for)) return false;
  constexpr double kDraws = 1U << 24U;
  return plan_.share >= 1 || static_cast<double>(new_number() % (1U << 24U)) < plan_.share * kDraws;
}

PackTotals PackAudit::run() {
  if (plan_.share >= 1 && plan_.not_read_for.count() == 0) check_journals();
  std::set<std::uint64_t> there, due;
  for_each_object(*layout_.storage, Layout::kPackObjects, [&](const ListedObject& object) {
    const auto number = pack_number(base_name(object.name));
    if (!number) return true;
    there.insert(*number);
    if (chosen(*number) && due.insert(*number).second) all_bytes_ += object.bytes;
    return true;
  });
  totals_.left_out = there.size() - due.size();
  check_all({due.begin(), due.end()});
  if (plan_.payloads) dates_.save(there);
  return totals_;
}

void PackAudit::check_all(const std::vector<std::uint64_t>& packs) {
  const std::size_t members = plan_.payloads ? team_size(packs.size()) : 1;
  work_off(packs, members, [this](std::size_t, std::uint64_t number, std::unique_lock<std::mutex>& lock) {
    lock.unlock();
    const Outcome outcome = check(number);
    lock.lock();
    take(number, outcome);
  });
}

PackFindings PackAudit::findings(std::uint64_t number, Outcome& out) const {
  PackFindings findings;
  findings.report = [&out](const PackProblem& problem) { out.problems.push_back(problem); };
  findings.place = [&out, number](std::uint64_t from, std::uint64_t to) {
    out.places.push_back({number, from, to});
  };
  findings.chunks = &out.chunks;
  if (plan_.good)
    findings.good = [this, &out](const StoredChunk& chunk) {
      out.marks.push_back({marker_.mark(chunk.kind, chunk.id), chunk.bytes});
    };
  return findings;
}

void PackAudit::take(std::uint64_t number, const Outcome& outcome) {
  for (const PackProblem& problem : outcome.problems) report_(problem);
  if (outcome.read) places_.insert(places_.end(), outcome.places.begin(), outcome.places.end());
  if (plan_.good) plan_.good(outcome.marks);
  totals_.packs += outcome.totals.packs;
  totals_.bytes += outcome.totals.bytes;
  totals_.damaged += outcome.totals.damaged;
  totals_.unreadable += outcome.totals.unreadable;
  totals_.without_parity += outcome.totals.without_parity;
  if (outcome.read) read_.insert(number);
  if (outcome.good) chunks_[number] = outcome.chunks;
  if (plan_.payloads && outcome.good) dates_.note(number);
  if (progress_) progress_(totals_.bytes, all_bytes_);
}

void PackAudit::check_journals() {
  for (const std::uint64_t number : list_packs(layout_.journals())) {
    const std::string path = layout_.journal(number);
    Outcome out;
    try {
      const auto journal = open_reader(path);
      if (!journal) continue;  // a pack by now
      check_pack(*journal, path, {store_, number}, false, plan_.payloads, findings(number, out));
      judge(out);
      out.totals.damaged = 0;  // packs are counted
      out.read = out.totals.unreadable == 0;
    } catch (const Error& error) {
      if (error.kind() != Kind::Io) throw;
      out = unreadable(path, error, out);
    }
    take(number, out);
  }
}

// A place that cannot be read is no damage: nothing is noted of the whole file then.
void PackAudit::judge(Outcome& out) {
  const auto count = std::ranges::count_if(out.problems, &PackProblem::unreadable);
  out.totals.unreadable = count > 0 ? 1 : 0;
  out.totals.damaged = out.problems.size() > static_cast<std::size_t>(count) ? 1 : 0;
}

// Nothing is known of the file, but that some of its chunks were found good.
PackAudit::Outcome PackAudit::unreadable(const std::string& path, const Error& error, Outcome& so_far) {
  Outcome out;
  out.marks = std::move(so_far.marks);
  out.totals.unreadable = 1;
  out.problems.push_back({quoted(path) + " cannot be read: " + error.what(), true});
  return out;
}

PackAudit::Outcome PackAudit::check(std::uint64_t number) const {
  const std::string name = Layout::pack_object(number);
  const std::string path = layout_.storage->shown(name);
  Outcome out;
  try {
    const std::unique_ptr<ObjectReader> pack = layout_.storage->open(name);
    if (!pack) {
      // Cleaned away meanwhile, or somebody moved it.
      if (std::ranges::binary_search(all_packs(layout_), number))
        out.problems.push_back({"a pack lies in the wrong folder: " + quoted(path) + " was expected", false});
      return out;
    }
    check_pack(*pack, path, {store_, number}, true, plan_.payloads, findings(number, out));
    out.good = out.problems.empty();
    judge(out);
    out.totals.bytes = pack->size();
    if (plan_.payloads) check_parity({store_, number}, out);
  } catch (const Error& error) {
    if (error.kind() == Kind::NotFound) return {};  // cleaned away since it was opened
    if (error.kind() != Kind::Io) throw;
    return unreadable(path, error, out);
  }
  out.totals.packs = 1;
  out.read = out.totals.unreadable == 0 && (plan_.payloads || !out.good);
  return out;
}

// A pack without parity is whole; damaged parity helps nobody on the day it is needed.
void PackAudit::check_parity(const PackRef& pack, Outcome& out) const {
  const std::string name = Layout::parity_object(pack.number);
  const std::unique_ptr<ObjectReader> parity = layout_.storage->open(name);
  if (!parity) {
    if (layout_.parity_percent > 0) ++out.totals.without_parity;
    return;
  }
  const std::string path = quoted(layout_.storage->shown(name));
  try {
    const std::uint64_t damaged = count_damaged_parity(*parity, pack);
    if (damaged != 0)
      out.problems.push_back({path + ": " + std::to_string(damaged) +
                                  " parts of this parity are damaged; `bkdb heal` makes it anew",
                              false});
  } catch (const Error& error) {
    if (error.kind() != Kind::Corrupt) throw;
    out.problems.push_back({path + ": " + error.what() + "; `bkdb heal` makes it anew", false});
  }
}

}  // namespace bk::store
