// sql: the newest snapshot whose SQLite database has a row for a query; one of its tables taken out.
#include "common/error/error.h"
#include "common/io/file.h"
#include "common/io/temporary.h"
#include "common/random/random.h"
#include "common/sqlite/guarded.h"
#include "common/text/escape.h"
#include "server/bkdb/commands.h"
#include "server/bkdb/content.h"
#include "server/bkdb/walk.h"

#include <fmt/format.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

namespace bk::bkdb {
namespace {

constexpr std::chrono::seconds kQueryLimit{300};
constexpr std::size_t kMostRows = 1000;  // what a person reads

// The regular files right below the root, as a module that dumps puts them there.
class TopFiles final : public Visitor {
 public:
  bool enter(const std::string& path, const Entry&) override { return path.empty(); }
  void leave(const std::string&, const Entry&) override {}
  void entry(const std::string& path, const Entry& entry) override {
    if (entry.type == EntryType::File) found.push_back(path);
  }
  void damaged(const std::string&, const Error& error) override { throw error; }
  std::vector<std::string> found;
};

// The database in a snapshot: what --path names, the snapshot itself when it is a file, or its only file.
Entry database_in(Session& session, const Source& source, const store::SnapshotRecord& snapshot) {
  const std::vector<std::string> named = session.options().all("path");
  if (named.empty() && snapshot.root.type == EntryType::File) return snapshot.root;
  std::string part;
  if (named.size() == 1) {
    part = part_of(named[0], source.name).value_or(named[0]);
  } else {
    TopFiles files;
    (void)walk(session.store(), snapshot.root, {}, files);
    if (files.found.size() != 1 || named.size() > 1)
      throw Error(Kind::Usage, fmt::format("{} holds {} files; name the database by --path",
                                           bk::quoted(source.name), files.found.size()));
    part = files.found[0];
  }
  const std::optional<Entry> entry = find_entry(session.store(), snapshot.root, part);
  if (!entry || entry->type != EntryType::File || entry->unreadable)
    throw Error(Kind::NotFound, "no file " + bk::quoted(part) + " in it");
  return *entry;
}

// A file of its own in <home>/tmp, gone with the object; what a kill leaves goes at the next run.
class Copy {
 public:
  Copy(Session& session, const Entry& entry) {
    const std::string folder = join_path(session.place().home, "tmp");
    ensure_directory(folder);
    (void)remove_abandoned_in(folder);
    SystemRandom random;
    while (!fd_) {
      path_ = join_path(folder, std::string(kTemporaryPrefix) + hex_encode(random.bytes(8)));
      if (std::optional<Fd> made = try_create_owned(path_)) fd_ = std::move(*made);
    }
    (void)stream_content(
        session.store(), entry, [this](std::string_view bytes) { write_all(fd_.get(), bytes); }, true);
  }
  ~Copy() { (void)::unlink(path_.c_str()); }
  Copy(const Copy&) = delete;
  Copy& operator=(const Copy&) = delete;
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
  Fd fd_;
};

std::string shown(const std::optional<std::string>& value) {
  if (!value) return "NULL";
  const std::string text = bk::quoted(*value);
  // Without its quotes where nothing in it had to be escaped.
  return text.size() == value->size() + 2 ? *value : text;
}

std::string row_text(const sqlite::GuardedDatabase::Row& row) {
  std::string out = "\t";
  for (std::size_t i = 0; i < row.size(); ++i) out += (i == 0 ? "" : "\t") + shown(row[i]);
  return out + "\n";
}

class Search {
 public:
  Search(Session& session, std::string query) : session_(session), query_(std::move(query)) {}

  // True when this snapshot answers.
  bool look(std::size_t index, const Source& source, const store::SnapshotRecord& snapshot) {
    const Copy copy(session_, database_in(session_, source, snapshot));
    sqlite::GuardedDatabase database(copy.path());
    std::vector<sqlite::GuardedDatabase::Row> rows;
    database.query(query_, kQueryLimit, [&](const sqlite::GuardedDatabase::Row& row) {
      rows.push_back(row);
      return rows.size() < kMostRows;
    });
    if (rows.empty()) return false;
    show(index, source, snapshot, rows);
    if (const std::optional<std::string> table = session_.options().get("table")) take_out(database, *table);
    return true;
  }

 private:
  void show(std::size_t index, const Source& source, const store::SnapshotRecord& snapshot,
            const std::vector<sqlite::GuardedDatabase::Row>& rows) const {
    if (session_.json()) {
      nlohmann::json out{{"source", index},
                         {"path", percent_encode(source.name)},
                         {"snapshot", snapshot.id},
                         {"began", to_text(snapshot.began)},
                         {"rows", nlohmann::json::array()}};
      for (const auto& row : rows) {
        nlohmann::json cells = nlohmann::json::array();
        for (const auto& cell : row)
          cells.push_back(cell ? nlohmann::json(percent_encode(*cell)) : nlohmann::json());
        out["rows"].push_back(cells);
      }
      return print(out.dump() + "\n");
    }
    print(fmt::format("[{}] {}\n", index, shown_time(snapshot.began, session_.zone())));
    for (const auto& row : rows) print(row_text(row));
  }

  void take_out(sqlite::GuardedDatabase& database, const std::string& table) const {
    const std::string into = session_.options().get("into").value();
    const std::string target =
        into.starts_with('/') ? into : clean_absolute(join_path(session_.folder(), into));
    const std::uint64_t rows = database.copy_table(table, target);
    warn(fmt::format("{} rows of {} are in {}", rows, bk::quoted(table), bk::quoted(target)));
  }

  Session& session_;
  std::string query_;
};

}  // namespace

int run_sql(Session& session, const Words& words) {
  if (words.size() < 2)
    throw Error(Kind::Usage, "usage: bkdb sql QUERY data_idx [datetime_range] [--table NAME --into FILE]");
  if (session.options().has("table") != session.options().has("into"))
    throw Error(Kind::Usage, "--table and --into belong together");
  const std::vector<Selected> selected =
      session.select_some(Words(words.begin() + 1, words.end()), Session::Default::All);
  if (selected.size() != 1) throw Error(Kind::Usage, "sql: give the number of one source");
  const Source& source = session.sources()[selected[0].source];
  Search search(session, words[0]);
  int status = kExitDone;
  for (const std::size_t at : selected[0].snapshots) {
    const store::SnapshotRecord& snapshot = source.snapshots[at];
    try {
      if (search.look(selected[0].source, source, snapshot)) return status;
    } catch (const Error& error) {
      // An older one may answer; a table that is not there yet, or not any more, is no answer.
      if (error.kind() != Kind::Corrupt && error.kind() != Kind::NotFound &&
          (error.kind() != Kind::Usage ||
           std::string_view(error.what()).find("no such ") == std::string_view::npos))
        throw;
      warn(shown_time(snapshot.began, session.zone()) + ": " + error.what());
      if (error.kind() == Kind::Corrupt) status = kExitCorrupt;
    }
  }
  if (status != kExitDone) return status;
  throw Error(Kind::NotFound, "no snapshot has a row for this query");
}

}  // namespace bk::bkdb
