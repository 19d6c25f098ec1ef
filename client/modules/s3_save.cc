#include "client/modules/at_once.h"
#include "client/modules/fetch_object.h"
#include "client/modules/key_path.h"
#include "client/modules/s3_source.h"
#include "client/modules/s3_state.h"
#include "common/error/error.h"
#include "common/io/crash.h"
#include "common/io/file.h"
#include "common/text/escape.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>

#include <memory>
#include <nlohmann/json.hpp>

namespace bk::client {
namespace {

constexpr std::size_t kBatchObjects = 256;
constexpr std::uint64_t kBatchBytes = 256U << 20U;
constexpr std::size_t kNamedSkips = 1000;

// Values in percent form: a header may hold any byte.
std::string line_of(const SavedObject& object, const s3::ObjectFacts& facts) {
  nlohmann::ordered_json line;
  line["key"] = percent_encode(object.key);
  line["bytes"] = object.bytes;
  line["etag"] = percent_encode(object.etag);
  line["modified"] = to_text(object.modified);
  const auto add = [&](const char* name, const std::string& value) {
    if (!value.empty()) line[name] = percent_encode(value);
  };
  add("version", facts.version);
  add("content-type", facts.content_type);
  add("content-encoding", facts.content_encoding);
  add("content-disposition", facts.content_disposition);
  add("content-language", facts.content_language);
  add("cache-control", facts.cache_control);
  add("expires", facts.expires);
  add("storage-class", facts.storage_class);
  add("encryption", facts.encryption);
  for (const auto& [name, value] : facts.metadata)
    line["metadata"][percent_encode(name)] = percent_encode(value);
  return line.dump();
}

// One run.
class Saving {
 public:
  Saving(const S3Source& source, const Mirror& mirror, const Clock& clock)
      : source_(source),
        mirror_(mirror),
        objects_(join_path(mirror.folder(), "objects")),
        state_(join_path(mirror.slot(), "state.db")),
        known_(state_) {
    ensure_directory(objects_);
    for (std::size_t i = 0; i < source.parallel; ++i)
      buckets_.push_back(std::make_unique<s3::Bucket>(source.settings, clock));
  }

  S3Report run() {
    if (mirror_.was_cut()) forget_what_is_not_there();
    std::string last;
    buckets_.front()->list(source_.prefix, [&](const s3::ListedKey& listed) {
      if (listed.key <= last)
        throw Error(Kind::Protocol, "the listing of " + buckets_.front()->shown() + " is not sorted: " +
                                        bk::quoted(listed.key) + " behind " + bk::quoted(last));
      last = listed.key;
      ++report_.listed;
      drop_before(&listed.key);
      take(listed);
      return true;
    });
    flush();
    drop_before(nullptr);
    flush();
    write_lists();
    return report_;
  }

 private:
  struct Job {
    s3::ListedKey listed;
    std::optional<SavedObject> before;  // of the same key
    bool content = true;                // else only what the store says of it
    std::optional<Fetched> fetched;
    std::string skipped;  // why
  };

  // After a cut: rows whose files are not what the row says.
  void forget_what_is_not_there() {
    std::vector<std::string> gone;
    SavedCursor all(state_);
    for (const SavedObject* one = all.peek(); one != nullptr; all.next(), one = all.peek()) {
      struct stat info {};
      const bool good = ::lstat(join_path(objects_, one->file).c_str(), &info) == 0 &&
                        S_ISREG(info.st_mode) && static_cast<std::uint64_t>(info.st_size) == one->bytes &&
                        info.st_mtim.tv_sec == one->modified.seconds;
      if (!good) gone.push_back(one->key);
      if (gone.size() < kBatchObjects) continue;
      state_.forget(gone);
      gone.clear();
    }
    state_.forget(gone);
  }

  // Objects that the bucket does not list any more leave the tree; up to a key, or all that are left.
  void drop_before(const std::string* key) {
    for (const SavedObject* one = known_.peek(); one != nullptr; one = known_.peek()) {
      if (key != nullptr && one->key >= *key) return;
      gone_.push_back(*one);
      known_.next();
      ++report_.removed;
      if (gone_.size() >= kBatchObjects) flush();
    }
  }

  void take(const s3::ListedKey& listed) {
    Job job{listed, std::nullopt, true, std::nullopt, ""};
    if (const SavedObject* one = known_.peek(); one != nullptr && one->key == listed.key) {
      job.before = *one;
      known_.next();
    }
    if (job.before && job.before->etag == listed.etag && job.before->bytes == listed.bytes) {
      if (job.before->modified == listed.modified) {
        ++report_.unchanged;
        return;
      }
      job.content = false;
    }
    batch_bytes_ += job.content ? listed.bytes : 0;
    batch_.push_back(std::move(job));
    if (batch_.size() >= kBatchObjects || batch_bytes_ >= kBatchBytes) flush();
  }

  void flush() {
    if (!gone_.empty()) {
      // The row first: a file without a row is fetched again, a row without its file would be believed.
      std::vector<std::string> keys;
      for (const SavedObject& one : gone_) keys.push_back(one.key);
      state_.forget(keys);
      for (const SavedObject& one : gone_) remove_with_parents(join_path(objects_, one.file), objects_);
      gone_.clear();
    }
    if (batch_.empty()) return;
    at_once(buckets_.size(), batch_.size(),
            [this](std::size_t worker, std::size_t i) { fetch(*buckets_[worker], batch_[i]); });
    std::vector<SavedObject> saved;
    for (Job& job : batch_) place(job, saved);
    mirror_.sync();
    crash_point("bucket.placed");
    state_.save(saved);
    crash_point("bucket.saved");
    batch_.clear();
    batch_bytes_ = 0;
  }

  [[nodiscard]] std::string partial_of(const Job& job) const {
    return mirror_.partial(job.listed.key + "\n" + job.listed.etag);
  }

  void fetch(s3::Bucket& bucket, Job& job) {
    if (job.content &&
        (job.listed.storage_class == "GLACIER" || job.listed.storage_class == "DEEP_ARCHIVE")) {
      job.skipped = "archived";
      return;
    }
    try {
      if (job.content) {
        const Wanted wanted{job.listed.key, job.listed.etag, std::nullopt, ""};
        job.fetched = fetch_object(bucket, wanted, partial_of(job));
      } else if (const std::optional<s3::ObjectFacts> facts = bucket.head(job.listed.key)) {
        job.fetched = Fetched{Fetched::State::Whole, *facts, ""};
      } else {
        job.fetched = Fetched{};
      }
      if (job.fetched->state == Fetched::State::Damaged) job.skipped = "damaged";
      // Changed between the listing and now: the next run takes it as it is then.
      if (job.fetched->state == Fetched::State::Gone) job.skipped = "changed";
    } catch (const Error& error) {
      if (error.kind() != Kind::Refused) throw;
      job.skipped = "denied";
    }
  }

  void skip(const Job& job, const std::string& why) {
    ++report_.skipped_count;
    if (report_.skipped.size() < kNamedSkips)
      report_.skipped.push_back(why + " " + percent_encode(job.listed.key));
  }

  void place(Job& job, std::vector<SavedObject>& saved) {
    if (!job.skipped.empty()) return skip(job, job.skipped);
    SavedObject object{job.listed.key,   path_of_key(job.listed.key), job.listed.etag,
                       job.listed.bytes, job.listed.modified,         ""};
    if (job.before) object.file = job.before->file;
    if (job.content) {
      if (!make_room(object, saved)) return skip(job, "long-name");
      put_in_place(partial_of(job), join_path(objects_, object.file));
      ++report_.fetched;
      report_.fetched_bytes += object.bytes;
    } else {
      refreshed_ = true;
    }
    const struct timespec times[2] = {
        {0, UTIME_OMIT}, {object.modified.seconds, static_cast<long>(object.modified.nanoseconds)}};
    const std::string path = join_path(objects_, object.file);
    check_sys(::utimensat(AT_FDCWD, path.c_str(), static_cast<const timespec*>(times), AT_SYMLINK_NOFOLLOW),
              [&] { return "setting the time of " + bk::quoted(path); });
    object.line = line_of(object, job.fetched->facts);
    saved.push_back(std::move(object));
  }

  // The folders above an object, and its name, where keys are both an object and a folder.  False when the
  // path is longer than a path can be.
  bool make_room(SavedObject& object, std::vector<SavedObject>& saved) {
    if (objects_.size() + object.file.size() + 8 >= PATH_MAX) return false;
    for (std::size_t slash = object.file.find('/'); slash != std::string::npos;
         slash = object.file.find('/', slash + 1)) {
      const std::string folder = object.file.substr(0, slash);
      const std::string path = join_path(objects_, folder);
      if (::mkdir(path.c_str(), 0700) == 0 || (errno == EEXIST && is_directory(path))) continue;
      if (errno != EEXIST) throw sys_error(errno, "making " + bk::quoted(path));
      move_into_folder(folder, saved);
    }
    if (is_directory(join_path(objects_, object.file))) object.file += "/" + std::string(kAlsoFolder);
    return true;
  }

  // The object "a" becomes "a/%", because there is a key "a/b".
  void move_into_folder(const std::string& folder, std::vector<SavedObject>& saved) {
    const std::string path = join_path(objects_, folder);
    const std::string aside = mirror_.partial("aside");
    const std::string moved = folder + "/" + std::string(kAlsoFolder);
    put_in_place(path, aside);
    check_sys(::mkdir(path.c_str(), 0700), [&] { return "making " + bk::quoted(path); });
    put_in_place(aside, join_path(objects_, moved));
    for (SavedObject& one : saved) {
      if (one.file == folder) one.file = moved;
    }
    for (Job& job : batch_) {
      if (job.before && job.before->file == folder) job.before->file = moved;
    }
    if (const std::optional<std::string> key = key_of_path(folder)) state_.move(*key, moved);
  }

  void write_lists() {
    const std::string path = join_path(mirror_.folder(), "objects.jsonl");
    if (report_.fetched + report_.removed > 0 || refreshed_ || !path_exists(path)) write_objects(path);
    nlohmann::ordered_json about;
    about["bucket"] = source_.settings.bucket;
    about["prefix"] = percent_encode(source_.prefix);
    about["endpoint"] = source_.settings.endpoint;
    about["region"] = source_.settings.region;
    replace_durably(join_path(mirror_.folder(), "source.json"), about.dump(2) + "\n");
  }

  void write_objects(const std::string& path) {
    const std::string making = mirror_.partial("objects.jsonl");
    const Fd fd = open_file(making, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW);
    std::string text;
    SavedCursor all(state_);
    for (const SavedObject* one = all.peek(); one != nullptr; all.next(), one = all.peek()) {
      // Where it lies is not part of the line: objects move when their key becomes a folder.
      text += "{\"file\":\"" + percent_encode(one->file) + "\"," + one->line.substr(1) + "\n";
      if (text.size() < (1U << 20U)) continue;
      write_all(fd.get(), text);
      text.clear();
    }
    write_all(fd.get(), text);
    put_in_place(making, path);
  }

  const S3Source& source_;
  const Mirror& mirror_;
  std::string objects_;
  S3State state_;
  SavedCursor known_;
  std::vector<std::unique_ptr<s3::Bucket>> buckets_;
  S3Report report_;
  std::vector<SavedObject> gone_;
  std::vector<Job> batch_;
  std::uint64_t batch_bytes_ = 0;
  bool refreshed_ = false;
};

}  // namespace

S3Report save_bucket(const S3Source& source, const Mirror& mirror, const Clock& clock) {
  return Saving(source, mirror, clock).run();
}

}  // namespace bk::client
