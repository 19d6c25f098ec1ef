#include "client/modules/dataverse_config.h"

#include "client/modules/child_output.h"
#include "client/modules/s3_source.h"
#include "common/config/config.h"
#include "common/error/error.h"
#include "common/io/file.h"
#include "common/text/ascii.h"
#include "common/text/escape.h"

#include <algorithm>

namespace bk::client {
namespace {

constexpr ConfigKey kSchema[] = {
    {"files", ConfigType::Text, "", "folder of file stores that have no section of their own"},
    {"links", ConfigType::Flag, "true", "hard links into the spool instead of copies, where possible"},
    {"parallel", ConfigType::Number, "4", "files read at once, 1 to 64"},
    {"database.host", ConfigType::Text, "", "name, address or folder of a socket; none: the usual socket"},
    {"database.port", ConfigType::Number, "5432", "its port"},
    {"database.name", ConfigType::Text, kRequired, "the Dataverse's database"},
    {"database.user", ConfigType::Text, kRequired, "who may read it"},
    {"database.password_file", ConfigType::Text, ".pgpass", "in the form of ~/.pgpass, mode 0600"},
    {"database.sslmode", ConfigType::Text, "prefer", "as libpq: disable, prefer, require, verify-full"},
    {"database.status", ConfigType::Text, "", "database with the table datafilestatus to keep, too"},
    {"store.NAME.type", ConfigType::Text, kRequired, "file, s3 or remote (listed, not saved)"},
    {"store.NAME.directory", ConfigType::Text, "", "file: its folder"},
    {"store.NAME.endpoint", ConfigType::Text, "", "s3: https://host[:port]; none: AWS"},
    {"store.NAME.region", ConfigType::Text, "us-east-1", "s3: the bucket's region"},
    {"store.NAME.bucket", ConfigType::Text, "", "s3: none: the one that each file names"},
    {"store.NAME.credentials", ConfigType::Text, ".aws/credentials", "s3: file as the AWS tools keep it"},
    {"store.NAME.profile", ConfigType::Text, "default", "s3: its section"},
    {"store.NAME.path_style", ConfigType::Flag, "true", "s3: endpoint/bucket/key"},
    {"store.NAME.ca_file", ConfigType::Text, "", "s3: PEM file of authorities"},
};

DataverseStore store_of(const Config& config, const std::string& name, const std::string& home) {
  DataverseStore out;
  const std::string type = config.text({"store", name, "type"});
  if (type == "remote") {
    out.type = DataverseStore::Type::Elsewhere;
  } else if (type == "file") {
    out.folder = beside_home(home, config.text({"store", name, "directory"}));
    if (out.folder.empty())
      config.refuse({"store", name, "directory"}, "a store of type file needs its folder");
  } else if (type == "s3") {
    out.type = DataverseStore::Type::Bucket;
    out.settings = s3_settings_of(config, {"store", name}, home);
  } else {
    config.refuse({"store", name, "type"}, bk::quoted(type) + " is not file, s3 or remote");
  }
  return out;
}

DataverseSource from_toml(std::string_view text, const std::string& file, const std::string& home) {
  const Config config = Config::parse(text, file, kSchema);
  if (!config.has({"database", "name"}))
    throw Error(Kind::Config, file + ":1: [database] with name and user is missing");
  DataverseSource out;
  out.file = file;
  out.database.host = config.text({"database", "host"});
  out.database.port = std::to_string(config.number({"database", "port"}));
  out.database.database = config.text({"database", "name"});
  out.database.user = config.text({"database", "user"});
  out.database.password_file = beside_home(home, config.text({"database", "password_file"}));
  out.database.ssl_mode = config.text({"database", "sslmode"});
  out.status_database = config.text({"database", "status"});
  out.folder = beside_home(home, config.text({"files"}));
  out.links = config.flag({"links"});
  out.parallel = config.number({"parallel"});
  if (out.parallel < 1 || out.parallel > 64) config.refuse({"parallel"}, "must be 1 to 64");
  for (const std::string& name : config.tables({"store"}))
    out.stores.emplace(name, store_of(config, name, home));
  return out;
}

// "section.key" in lower case to value, as Python's ConfigParser reads it: ':' or '=', keys in any case.
std::map<std::string, std::string> ini_values(std::string_view text) {
  std::map<std::string, std::string> out;
  std::string section;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = trimmed(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.empty() || line.front() == '#' || line.front() == ';') continue;
    if (line.front() == '[') {
      section = lower_ascii(line.substr(1, line.find(']') - 1));
      continue;
    }
    const std::size_t mark = line.find_first_of(":=");
    if (mark == std::string_view::npos) continue;
    out[section + "." + lower_ascii(trimmed(line.substr(0, mark)))] = trimmed(line.substr(mark + 1));
  }
  return out;
}

DataverseSource from_ini(std::string_view text, const std::string& file, const std::string& home) {
  const std::map<std::string, std::string> values = ini_values(text);
  const auto value = [&](const char* key) {
    const auto at = values.find(key);
    return at == values.end() ? std::string() : at->second;
  };
  DataverseSource out;
  out.file = file;
  out.database.host = value("database.host");
  if (const std::string port = value("database.port"); !port.empty()) out.database.port = port;
  out.database.database = value("database.database");
  out.database.user = value("database.username");
  out.database.password = value("database.password");
  if (out.database.password.empty()) out.database.password_file = join_path(home, ".pgpass");
  out.status_database = value("database.backupdatabase");
  out.folder = value("repository.filesystemdirectory");
  for (const auto& [name, text_of] : {std::pair{"[Database] Database", &out.database.database},
                                      {"[Database] Username", &out.database.user}}) {
    if (text_of->empty()) throw Error(Kind::Config, file + ": " + name + " is missing");
  }
  out.credentials_file = join_path(home, ".aws/credentials");
  return out;
}

}  // namespace

DataverseSource parse_dataverse_source(std::string_view text, const std::string& file,
                                       const std::string& home) {
  for (std::size_t at = text.find("[Database]"); at != std::string_view::npos;
       at = text.find("[Database]", at + 1)) {
    if (at == 0 || text[at - 1] == '\n') return from_ini(text, file, home);
  }
  return from_toml(text, file, home);
}

DataverseSource load_dataverse_source(const std::string& file, const std::string& home) {
  DataverseSource out = parse_dataverse_source(read_file(file, 1U << 20U), file, home);
  // libpq passes over one that others can read, and then asks for a password that it was given.
  if (const std::string& passwords = out.database.password_file; path_exists(passwords))
    require_secret_file(passwords, file + ": database.password_file");
  return out;
}

std::optional<DataverseStore> find_store(const DataverseSource& source, const std::string& label,
                                         const std::string& bucket) {
  DataverseStore out;
  if (const auto at = source.stores.find(label); at != source.stores.end()) {
    out = at->second;
  } else if (!bucket.empty() && !source.credentials_file.empty()) {
    const s3::Profile profile = s3::load_profile(source.credentials_file, "default");
    out.type = DataverseStore::Type::Bucket;
    out.settings.credentials = profile.credentials;
    out.settings.credentials_file = source.credentials_file;
    if (!profile.region.empty()) out.settings.region = profile.region;
  } else if (bucket.empty() && !source.folder.empty()) {
    out.folder = source.folder;
  } else {
    return std::nullopt;
  }
  if (!bucket.empty()) out.settings.bucket = bucket;
  if (out.type == DataverseStore::Type::Bucket && out.settings.bucket.empty())
    throw Error(Kind::Config, "store " + bk::quoted(label) + " has no bucket, neither in " + source.file +
                                  " nor in the storage identifier");
  return out;
}

}  // namespace bk::client
