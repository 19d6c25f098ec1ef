#include "server/config/config.h"

#include "common/config/own_file.h"
#include "common/error/error.h"
#include "common/io/file.h"
#include "common/text/escape.h"

#include <algorithm>

namespace bk::server {
namespace {

constexpr std::uint64_t kMaxBytes = 1U << 20U;

constexpr ConfigKey kSchema[] = {
    {"host", ConfigType::Text, kRequired, "this machine's name, as status and notices show it"},
    {"administrators", ConfigType::TextList, "", "mail addresses for what needs attention"},
    {"store.path", ConfigType::Text, "store", "folder of the store; relative to the home folder or absolute"},
    {"store.parity", ConfigType::Number, "3",
     "per cent of every pack kept beside it, from which `bkdb heal` brings damaged bytes back; 0 (none) to "
     "90"},
    {"store.reserve", ConfigType::Size, "32MiB",
     "room kept free on the store's disk, so that `bkdb rm` and `clean` work when it is full; 0: none is "
     "made"},
    {"store.key_file", ConfigType::Text, "",
     "key of an encrypted store, made by `bkdb key new`; must be there before the store is; none: not "
     "encrypted"},
    {"identity", ConfigType::Text, ".ssh/id_ed25519",
     "private key that clients know; relative to the home folder or absolute"},
    {"keep_finished", ConfigType::Duration, "7d", "how long finished requests stay listed"},
    {"limits.concurrency", ConfigType::Number, "4", "pulls at once over all clients, 1 to 256"},
    {"limits.attempts", ConfigType::Number, "5", "attempts before a request has failed, 1 to 100"},
    {"limits.backoff", ConfigType::TextList, "1m, 5m, 15m, 60m",
     "waiting times between attempts; the last one repeats"},
    {"limits.pull_timeout", ConfigType::Duration, "24h",
     "a pull that lasts longer is suspended: what came is kept (of a git fetch nothing), a later run goes "
     "on"},
    {"limits.idle_timeout", ConfigType::Duration, "5m",
     "a pull without any progress for this long is suspended, or has failed when nothing came"},
    {"limits.turn", ConfigType::Duration, "30m",
     "a pull that has held its slot this long gives it to a source that waits, and goes on later; longer "
     "when it has had to give way before, see do_backup(1); as long as `pull_timeout`: never"},
    {"limits.ingest_timeout", ConfigType::Duration, "10m",
     "taking requests out of one client's control repository is ended after this long, and tried again by "
     "the "
     "next run; nobody else waits for it"},
    {"limits.checkpoint", ConfigType::Duration, "3m",
     "how often the pull of a tree notes what it has, for the case that it is cut; 1s to 1h"},
    {"limits.stripes", ConfigType::Number, "3",
     "further SSH connections for the content of a tree when the client is far (a round trip above 10 ms); 0 "
     "(none) to 8"},
    {"limits.overdue", ConfigType::Number, "3",
     "periods without a success after which a source is overdue, see backline-conf.md; 0 (never) to 1000"},
};

std::string path_of(const Config& file, Config::Path key, const std::string& home) {
  const std::string text = file.text(key);
  try {
    return clean_absolute(text.starts_with('/') ? text : join_path(home, text));
  } catch (const Error& error) {
    file.refuse(key, error.what());
  }
}

std::uint64_t number_within(const Config& file, Config::Path key, std::uint64_t low, std::uint64_t high) {
  const std::uint64_t number = file.number(key);
  if (number < low || number > high)
    file.refuse(key, std::to_string(number) + " is not within " + std::to_string(low) + " to " +
                         std::to_string(high));
  return number;
}

std::chrono::seconds positive(const Config& file, Config::Path key) {
  const std::chrono::seconds span = file.duration(key);
  if (span.count() == 0) file.refuse(key, "must be longer than nothing");
  return span;
}

std::vector<std::chrono::seconds> backoff_of(const Config& file) {
  using std::chrono::minutes;
  if (!file.has({"limits", "backoff"})) return {minutes(1), minutes(5), minutes(15), minutes(60)};
  std::vector<std::chrono::seconds> out;
  for (const std::string& text : file.list({"limits", "backoff"})) {
    const std::optional<std::chrono::seconds> span = parse_duration(text);
    if (!span) file.refuse({"limits", "backoff"}, quoted(text) + " is not a duration such as \"15m\"");
    out.push_back(*span);
  }
  if (out.empty()) file.refuse({"limits", "backoff"}, "needs at least one duration such as \"15m\"");
  return out;
}

}  // namespace

std::span<const ConfigKey> server_schema() { return kSchema; }

ServerConfig parse_config(std::string_view text, const std::string& file, const std::string& home) {
  const Config values = Config::parse(text, file, kSchema);
  ServerConfig out;
  out.home = home;
  out.file = file;
  out.host = values.text({"host"});
  if (out.host.empty()) values.refuse({"host"}, "must not be empty");
  out.administrators = values.list({"administrators"});
  out.store = path_of(values, {"store", "path"}, home);
  out.store_reserve = values.size({"store", "reserve"});
  out.store_parity = static_cast<unsigned>(number_within(values, {"store", "parity"}, 0, 90));
  if (!values.text({"store", "key_file"}).empty())
    out.store_key_file = path_of(values, {"store", "key_file"}, home);
  out.identity = path_of(values, {"identity"}, home);
  out.keep_finished = values.duration({"keep_finished"});
  out.limits.concurrency = number_within(values, {"limits", "concurrency"}, 1, 256);
  out.limits.attempts = static_cast<int>(number_within(values, {"limits", "attempts"}, 1, 100));
  out.limits.backoff = backoff_of(values);
  out.limits.pull_timeout = positive(values, {"limits", "pull_timeout"});
  out.limits.idle_timeout = positive(values, {"limits", "idle_timeout"});
  out.limits.turn = positive(values, {"limits", "turn"});
  out.limits.ingest_timeout = positive(values, {"limits", "ingest_timeout"});
  out.limits.checkpoint = positive(values, {"limits", "checkpoint"});
  if (out.limits.checkpoint > std::chrono::hours(1))
    values.refuse({"limits", "checkpoint"},
                  "must not be longer than \"1h\": a cut would cost as much reading");
  out.limits.stripes = static_cast<unsigned>(number_within(values, {"limits", "stripes"}, 0, 8));
  out.limits.overdue = static_cast<unsigned>(number_within(values, {"limits", "overdue"}, 0, 1000));
  return out;
}

ServerConfig load_config(const std::string& home) {
  const std::string path = join_path(home, "backupconfig.toml");
  std::optional<std::string> text = try_read_own_file(path, kMaxBytes, FileOwner::SelfOrFolder);
  if (!text) throw Error(Kind::Config, quoted(path) + " is missing: run bk_access init first");
  return parse_config(*text, path, home);
}

std::chrono::seconds backoff_after(const Limits& limits, int attempts) {
  const auto last = static_cast<int>(limits.backoff.size()) - 1;
  return limits.backoff[static_cast<std::size_t>(std::clamp(attempts - 1, 0, last))];
}

}  // namespace bk::server
