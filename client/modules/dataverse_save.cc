#include "client/modules/dataverse_save.h"

#include "client/modules/at_once.h"
#include "client/modules/dataverse_old_status.h"
#include "client/modules/dataverse_read.h"
#include "client/modules/dataverse_state.h"
#include "common/error/error.h"
#include "common/io/crash.h"
#include "common/io/file.h"
#include "common/path/names.h"
#include "common/text/escape.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

namespace bk::client {
namespace {

constexpr std::size_t kBatchFiles = 256;
constexpr std::uint64_t kBatchBytes = 1U << 30U;
constexpr std::size_t kNamedFailures = 1000;

std::string line_of(const FileStatus& file) {
  nlohmann::ordered_json line;
  line["id"] = file.id;
  line["dataset"] = percent_encode(file.dataset);
  line["storage"] = percent_encode(file.storage);
  line["file"] = percent_encode(file.path);
  if (file.original) line["original"] = percent_encode(file.path + ".orig");
  line["bytes"] = file.bytes;
  line["checksum"] = percent_encode(file.checksum);
  line["created"] = percent_encode(file.created);
  line["status"] = file.status;
  if (!file.why.empty()) line["why"] = percent_encode(file.why);
  return line.dump();
}

class Saving {
 public:
  Saving(const DataverseSource& source, const Mirror& mirror, const Clock& clock, bool look)
      : source_(source),
        mirror_(mirror),
        clock_(clock),
        look_(look),
        files_(join_path(mirror.folder(), "files")),
        state_(join_path(mirror.slot(), "status.db")),
        known_(state_),
        old_(source) {
    ensure_directory(files_);
    for (std::size_t i = 0; i < source.parallel; ++i)
      readers_.push_back(std::make_unique<DataverseReader>(source, mirror, clock));
  }

  DataverseReport run() {
    std::optional<postgres::Connection> database;
    try {
      database.emplace(source_.database);
      list_dataverse(*database, [&](const ListedFile& file) {
        ++report_.listed;
        drop_before(file.id);
        take(file);
      });
    } catch (const Error& error) {
      throw with_advice(error, source_);
    }
    drop_before(UINT64_MAX);
    flush();
    tell();
    write_list();
    return report_;
  }

 private:
  struct Job {
    ListedFile file;
    StoragePlace place;
    FileStatus row;
    std::string before;  // where it lay until now, when elsewhere
    ReadOutcome outcome;
  };

  void drop_before(std::uint64_t id) {
    for (const FileStatus* one = known_.peek(); one != nullptr && one->id < id; one = known_.peek()) {
      remove(*one);
      gone_.push_back(one->id);
      ++report_.gone;
      known_.next();
      if (gone_.size() >= kBatchFiles) flush();
    }
  }

  void remove(const FileStatus& row) const {
    if (row.path.empty()) return;
    remove_with_parents(join_path(files_, row.path), files_);
    if (row.original) remove_with_parents(join_path(files_, row.path + ".orig"), files_);
  }

  [[nodiscard]] bool lies_there(const FileStatus& row) const {
    struct stat info {};
    const std::string path = join_path(files_, row.path);
    if (::lstat(path.c_str(), &info) != 0 || !S_ISREG(info.st_mode)) return false;
    auto bytes = static_cast<std::uint64_t>(info.st_size);
    if (row.original) {
      if (::lstat((path + ".orig").c_str(), &info) != 0 || !S_ISREG(info.st_mode)) return false;
      bytes += static_cast<std::uint64_t>(info.st_size);
    }
    return bytes == row.bytes;
  }

  void take(const ListedFile& file) {
    Job job{file, {}, {}, "", {}};
    std::optional<FileStatus> before;
    if (const FileStatus* one = known_.peek(); one != nullptr && one->id == file.id) {
      before = *one;
      known_.next();
    }
    job.row = {file.id, "",           file.dataset, file.storage, file.checksum_kind + ":" + file.checksum,
               0,       file.tabular, file.created, "FAIL_READ",  "",
               ""};
    const std::optional<StoragePlace> place = parse_storage(file.storage);
    if (place) {
      job.place = *place;
      if (is_elsewhere(*place)) {
        ++report_.elsewhere;
        return;
      }
      const std::optional<RelPath> path =
          RelPath::from(place->label + "/" + file.authority + "/" + file.identifier + "/" + place->name);
      if (path && !file.authority.empty() && !file.identifier.empty()) job.row.path = path->bytes();
    }
    if (before && before->status == "OK" && before->path == job.row.path && before->storage == file.storage &&
        before->checksum == job.row.checksum && before->original == file.tabular &&
        (!look_ || lies_there(*before))) {
      ++report_.already;
      // Whoever says --rerun wants to see all of them there; after a cut some may not have come to it.
      if (look_ && old_.wanted()) told_.push_back(*before);
      if (told_.size() >= kBatchFiles) tell();
      return;
    }
    if (before && before->path != job.row.path) job.before = before->path;
    batch_bytes_ += file.bytes.value_or(0) + file.original_bytes.value_or(0);
    batch_.push_back(std::move(job));
    if (batch_.size() >= kBatchFiles || batch_bytes_ >= kBatchBytes) flush();
  }

  [[nodiscard]] bool is_elsewhere(const StoragePlace& place) const {
    const auto at = source_.stores.find(place.label);
    return at != source_.stores.end() && at->second.type == DataverseStore::Type::Elsewhere;
  }

  void flush() {
    if (batch_.empty() && gone_.empty()) return;
    at_once(readers_.size(), batch_.size(),
            [this](std::size_t worker, std::size_t i) { read_one(*readers_[worker], batch_[i]); });
    std::vector<FileStatus> rows;
    for (Job& job : batch_) {
      place(job);
      rows.push_back(job.row);
    }
    mirror_.sync();
    crash_point("dataverse.placed");
    // A row of ours that is OK is not looked at again, so the other table comes first.
    old_.save(rows);
    crash_point("dataverse.told");
    state_.save(rows, gone_);
    crash_point("dataverse.saved");
    batch_.clear();
    gone_.clear();
    batch_bytes_ = 0;
  }

  void tell() {
    old_.save(told_);
    told_.clear();
  }

  static void read_one(DataverseReader& reader, Job& job) {
    if (job.row.path.empty()) {
      job.outcome.status = "FAIL_READ";
      job.outcome.why = job.file.storage.empty() ? "the database has no storage identifier"
                        : job.file.authority.empty()
                            ? "the database has no PID of its dataset"
                            : "its storage identifier or PID is no path below a store";
      return;
    }
    job.outcome = reader.read(job.file, job.place);
  }

  void place(Job& job) {
    job.row.status = job.outcome.status;
    job.row.why = job.outcome.why;
    job.row.bytes = job.outcome.bytes;
    job.row.tried = to_text(clock_.now());
    if (job.row.status == "OK") {
      const std::string path = join_path(files_, job.row.path);
      try {
        ensure_folder(parent_of(path));
        put_in_place(job.outcome.staged, path);
        if (job.row.original) put_in_place(job.outcome.staged_original, path + ".orig");
      } catch (const Error& error) {
        if (error.sys_errno() == ENOSPC || error.sys_errno() == EDQUOT) throw;
        job.row.status = "FAIL_WRITE";
        job.row.why = error.what();
      }
    }
    if (job.row.status == "OK") {
      ++report_.succeeded;
      report_.bytes += job.row.bytes;
      if (!job.before.empty()) {
        remove_with_parents(join_path(files_, job.before), files_);
        remove_with_parents(join_path(files_, job.before + ".orig"), files_);
      }
      return;
    }
    ++report_.failed;
    if (!job.before.empty()) job.row.path = job.before;  // what was saved before stays
    if (report_.failures.size() >= kNamedFailures) return;
    report_.failures.push_back(job.row.status + " " +
                               percent_encode(job.file.dataset + "/" + job.file.storage));
    report_.reasons.push_back(fmt::format("{} {} {}: {}", job.row.status, bk::quoted(job.file.dataset),
                                          bk::quoted(job.file.storage), job.row.why));
  }

  // As ensure_directory, without a sync for each: mirror_.sync() comes before the rows.
  void ensure_folder(const std::string& path) const {
    if (is_directory(path)) return;
    ensure_folder(parent_of(path));
    if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST)
      throw sys_error(errno, "making " + bk::quoted(path));
  }

  void write_list() {
    const std::string path = join_path(mirror_.folder(), "files.jsonl");
    if (report_.succeeded + report_.failed + report_.gone == 0 && path_exists(path)) return;
    const std::string making = mirror_.partial("files.jsonl");
    const Fd fd = open_file(making, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW);
    std::string text;
    StatusCursor all(state_);
    for (const FileStatus* one = all.peek(); one != nullptr; all.next(), one = all.peek()) {
      text += line_of(*one) + "\n";
      if (text.size() < (1U << 20U)) continue;
      write_all(fd.get(), text);
      text.clear();
    }
    write_all(fd.get(), text);
    put_in_place(making, path);
  }

  const DataverseSource& source_;
  const Mirror& mirror_;
  const Clock& clock_;
  bool look_;
  std::string files_;
  DataverseState state_;
  StatusCursor known_;
  OldStatus old_;
  std::vector<std::unique_ptr<DataverseReader>> readers_;
  DataverseReport report_;
  std::vector<Job> batch_;
  std::vector<std::uint64_t> gone_;
  std::vector<FileStatus> told_;  // for the old table alone
  std::uint64_t batch_bytes_ = 0;
};

}  // namespace

std::string DataverseReport::text() const {
  std::string out = fmt::format("{} files processed; ", listed);
  if (already > 0) out += fmt::format("{} skipped (already backed up), ", already);
  out += fmt::format("{} success, {} failed", succeeded, failed);
  if (elsewhere > 0) out += fmt::format("; {} in remote stores, not saved", elsewhere);
  if (gone > 0) out += fmt::format("; {} removed that Dataverse does not list any more", gone);
  return out;
}

DataverseReport save_dataverse(const DataverseSource& source, const Mirror& mirror, const Clock& clock,
                               bool rerun) {
  return Saving(source, mirror, clock, rerun || mirror.was_cut()).run();
}

}  // namespace bk::client
