#include "server/bkdb/session.h"

#include "common/error/error.h"
#include "common/io/file.h"
#include "common/path/names.h"
#include "common/text/escape.h"
#include "server/bkdb/data_index.h"
#include "server/config/config.h"
#include "server/store/left_out.h"
#include "server/store/unsealed_store.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <numeric>

namespace bk::bkdb {
namespace {

std::string start_folder(const Options& options) {
  const std::optional<std::string> given = options.get("directory");
  if (!given) return current_folder();
  if (!is_directory(*given)) throw Error(Kind::Usage, "-C " + quoted(*given) + ": no such folder");
  if (given->find("..") == std::string::npos) return clean_absolute(*given);
  const std::unique_ptr<char, void (*)(void*)> resolved(::realpath(given->c_str(), nullptr), &::free);
  if (!resolved) throw sys_error(errno, "finding " + quoted(*given));
  return resolved.get();
}

std::string name_option(const Options& options, const std::string& option, const std::string& from_place) {
  const std::optional<std::string> given = options.get(option);
  if (!given) return from_place;
  require_safe_name(option, *given);
  if (!from_place.empty() && from_place != *given)
    throw Error(Kind::Usage,
                fmt::format("--{} {} contradicts the folder, which is that of {}; use -C with a home", option,
                            *given, quoted(from_place)));
  return *given;
}

std::function<void(std::string_view)>& printer() {
  static std::function<void(std::string_view)> sink;
  return sink;
}

}  // namespace

void print_to(std::function<void(std::string_view)> sink) { printer() = std::move(sink); }

void declare_options(Options& options) {
  options.usage("bkdb [options] ls|verify|stats [data_idx] [datetime_range]")
      .usage("bkdb [options] files data_idx [datetime_range] [PATH]")
      .usage("bkdb [options] cat data_idx [datetime_range] PATH")
      .usage("bkdb [options] find PATTERN [data_idx] [datetime_range]")
      .usage("bkdb [options] sql QUERY data_idx [datetime_range] [--table NAME --into FILE]")
      .usage("bkdb [options] export DEST|- [data_idx] [datetime_range]")
      .usage("bkdb [options] import DIR --client NAME [--module NAME]")
      .usage("bkdb [options] heal [--from DIR]")
      .usage("bkdb [options] rm|hold|release [data_idx] [datetime_range]")
      .usage("bkdb [options] keep|clean-pretend|clean|build")
      .usage("bkdb whole FOLDER")
      .usage("bkdb key new|show FILE")
      .usage("bkdb key seal CLIENT-FILE UNSEAL-FILE");
  add_home(options);
  options.value("directory,C", "DIR", "act as if started in this folder")
      .value("client", "NAME", "only this client")
      .value("module", "NAME", "only what was backed up as this module")
      .value("method", "NAME", "only this transfer method: git, rsync, sftp")
      .values("path", "PATH", "export: only this part (repeatable); sql: the database")
      .value("table", "NAME", "sql: take this table of that snapshot out")
      .value("into", "FILE", "sql: the SQLite file that the table goes to; made when it is not there")
      .flag("stream", "export -: not a tar archive but what restore_it reads")
      .flag("force", "export: into a folder that is not empty; build: git views that exist, too")
      .flag("no-sync", "export: do not wait until everything is on the disk")
      .value("from", "DIR", "heal: another copy of this store, for what parity cannot bring back")
      .value("unseal", "FILE", "read what was sealed for this key (bkdb key seal)")
      .flag("structure", "verify: do not read contents")
      .value("sample", "N%", "verify: read only so much of the store, chosen anew every time")
      .value("older", "DAYS", "verify: read only packs that no check has read for so long")
      .values("source", "ID", "rm, hold, release: the source with this id of ls --json (repeatable)")
      .value("expect", "N", "rm, keep: refuse unless so many snapshots would go; clean: chunks")
      .flag("yes", "rm: do not ask; needs --source or --expect")
      .flag("pretend", "keep: only tell what would go, and why the others stay")
      .flag("all", "clean: count anew what snapshots lead to, and compare all that is stored with it")
      .value("compress", "LEVEL", "clean: compress packs anew at this level of zstd that were not yet")
      .value("regroup", "SIZE",
             "clean: rewrite at most so much for sources that became scattered; default 1G")
      .value("rewrite", "PERCENT", "clean: rewrite packs of which at least so much is not needed; default 25")
      .value("reason", "TEXT", "rm, keep, hold, release: why, for those who ask later")
      .flag("local", "show and read times in the local zone instead of UTC")
      .flag("json", "machine-readable output with exact times and paths")
      .positionals(0, 64)
      .footer(
          "data_idx: 0,2 as ls numbers the sources.  datetime_range: =T  >T[,N]  <T[,N]  >T,<T\n"
          "with T = [[YYYY-]MM-]DD[ hh[:mm[:ss]]].  Quote it: the shell knows < and > too.");
}

Session::Session(const Options& options, const char* argv0, bool read_only)
    : options_(options), read_only_(read_only), zone_(options.has("local") ? Zone::Local : Zone::Utc) {
  std::optional<std::string> home = options.get("home");
  if (home) home = clean_absolute(*home);
  folder_ = start_folder(options);
  place_ = find_place(folder_, home, [&] { return find_home(options, argv0); });
  place_.filter.client = name_option(options, "client", place_.filter.client);
  place_.filter.module = name_option(options, "module", "");
  place_.filter.method = name_option(options, "method", place_.filter.method);
  const bool configured = path_exists(join_path(place_.home, "backupconfig.toml"));
  store_directory_ = join_path(place_.home, "store");
  if (!configured) return;
  const server::ServerConfig config = server::load_config(place_.home);
  store_directory_ = config.store;
  settings_.parity_percent = config.store_parity;
  settings_.reserve_bytes = config.store_reserve;
  settings_.key_file = config.store_key_file;
}

store::Store& Session::store() {
  if (!store_) {
    if (!is_directory(store_directory_))
      throw Error(Kind::NotFound, "there is no store at " + quoted(store_directory_) +
                                      " yet: nothing was backed up, or -C or --home name another place");
    store_ = read_only_ ? store::Store::open_to_read(store_directory_, {}, settings_)
                        : store::Store::open(store_directory_, false, {}, settings_);
    if (const std::optional<std::string> file = options_.get("unseal"))
      store_ = store::unseal_store(std::move(store_), load_unseal_key(*file));
  }
  return *store_;
}

store::Store& Session::store_to_build() {
  settings_.index_later = true;
  return store();
}

store::Store& Session::store_to_fill() {
  if (!store_) store_ = store::Store::open(store_directory_, true, {}, settings_);
  return *store_;
}

const std::vector<Source>& Session::sources() {
  if (sources_) return *sources_;
  const auto leave_out = [&](const std::string& problem) {
    ++(problem.starts_with(store::kCannotRead) ? unreadable_records_ : damaged_records_);
    warn("left out: " + problem);
  };
  std::function<void(const std::string&)> damaged;
  if (tolerant_) damaged = leave_out;
  sources_ = group_sources(store().snapshots(place_.filter.client, damaged), place_.filter);
  return *sources_;
}

std::vector<Selected> Session::select(const std::vector<std::string>& words, Default without_range) {
  const std::vector<Source>& all = sources();
  std::vector<std::size_t> indices(all.size());
  std::iota(indices.begin(), indices.end(), std::size_t{0});
  std::optional<TimeRange> range;
  if (words.size() > 2) warn("words behind data_idx and datetime_range are ignored");
  for (std::size_t i = 0; i < words.size() && i < 2; ++i) {
    const std::string& word = words[i];
    if (is_time_range(word))
      range = parse_time_range(word, SystemClock().now(), zone_);
    else
      indices = parse_data_index(word, all.size());
  }
  std::vector<Selected> out;
  for (const std::size_t index : indices) {
    std::vector<Timestamp> times;
    for (const store::SnapshotRecord& snapshot : all[index].snapshots) times.push_back(snapshot.began);
    Selected chosen{index, {}};
    if (range) {
      chosen.snapshots = bkdb::select(*range, times);
    } else {
      for (std::size_t at = times.size(); at > 0; --at) chosen.snapshots.push_back(at - 1);
      if (without_range == Default::Newest) chosen.snapshots.resize(1);
    }
    out.push_back(std::move(chosen));
  }
  return out;
}

std::vector<Selected> Session::select_some(const std::vector<std::string>& words, Default without_range) {
  std::vector<Selected> chosen = select(words, without_range);
  std::erase_if(chosen, [](const Selected& one) { return one.snapshots.empty(); });
  if (chosen.empty())
    throw Error(Kind::NotFound, sources().empty() ? "no snapshots here: " + quoted(place_.base_path)
                                                  : "no snapshot matches; \"bkdb ls\" shows what there is");
  return chosen;
}

void print(std::string_view text) {
  if (printer()) return printer()(text);
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size())
    throw sys_error(errno, "writing standard output");
}

void warn(std::string_view text) { std::fputs(fmt::format("bkdb: {}\n", text).c_str(), stderr); }

}  // namespace bk::bkdb
