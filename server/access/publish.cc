#include "server/access/publish.h"

#include "common/error/error.h"
#include "common/io/crash.h"
#include "common/io/file.h"
#include "common/io/lock.h"
#include "common/text/escape.h"
#include "server/access/home.h"
#include "server/access/update.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>

namespace bk::server {
namespace {

constexpr int kMostDepth = 16;
constexpr std::size_t kMostRepositories = 100000, kMaxConfig = 1U << 20U, kMaxText = 64U << 10U;

bool is_real_directory(const std::string& path) {
  struct stat info {};
  return ::lstat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
}

void collect(const std::string& folder, const std::string& prefix, int depth, std::set<std::string>& out) {
  for (const std::string& name : list_directory(folder)) {
    if (name.starts_with('.') || !is_real_directory(folder + "/" + name)) continue;
    if (name.ends_with(".git")) {
      if (out.size() < kMostRepositories) out.insert(prefix + name.substr(0, name.size() - 4));
    } else if (depth < kMostDepth) {
      collect(folder + "/" + name, prefix + name + "/", depth + 1, out);
    }
  }
}

// Whoever may push to a repository may have put a link in the place of a file: links are never followed, and
// replacing puts a new file in their place.
std::string read_plain(const std::string& path, std::size_t limit_bytes) {
  const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  struct stat info {};
  if (!fd || ::fstat(fd.get(), &info) != 0 || !S_ISREG(info.st_mode)) return {};
  return read_rest(fd.get(), limit_bytes);
}

void replace_when_other(const std::string& path, const std::string& text, std::size_t limit_bytes,
                        mode_t mode) {
  if (read_plain(path, limit_bytes) != text) replace_durably(path, text, mode);
}

void apply(const std::string& home, const GitosisConf& conf, const std::string& name) {
  const std::string repository = repositories_folder(home) + "/" + name + ".git";
  const Publication wanted = conf.publication(name);
  const std::string export_ok = repository + "/git-daemon-export-ok";
  if (!wanted.daemon) {
    if (path_exists(export_ok)) remove_durably(export_ok);
  } else if (!path_exists(export_ok)) {
    replace_durably(export_ok, "", 0644);
  }
  if (!wanted.description.empty())
    replace_when_other(repository + "/description", wanted.description + "\n", kMaxText, 0644);
  if (!wanted.owner.empty()) {
    const std::string config = read_plain(repository + "/config", kMaxConfig);
    if (!config.empty())
      replace_when_other(repository + "/config", config_with_owner(config, wanted.owner), kMaxConfig, 0644);
  }
}

// The folder is made when something is published or the file names it; gitweb's readers find an empty list
// there.
void write_projects_list(const std::string& home, const GitosisConf& conf) {
  std::string folder = conf.generated_folder();
  if (folder.front() != '/') folder = home + "/" + folder;
  const std::string text = conf.projects_list(repositories_on_disk(home));
  if (text.empty() && !is_directory(folder)) return;
  ensure_directory(folder, 0755);
  const std::string path = folder + "/projects.list";
  const std::optional<FileLock> lock =
      conf.grammar() == Grammar::Later ? std::optional(FileLock::exclusive(path + ".lock")) : std::nullopt;
  if (try_read_file(path) != text) replace_durably(path, text, 0644);
}

template <class Body>
void guard(const std::string& what, std::vector<std::string>& problems, Body&& body) {
  try {
    body();
  } catch (const Error& error) {
    problems.push_back(quoted(what) + ": " + error.what());
  }
}

// A value of a git config, in quotation marks.
std::string config_value(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) continue;
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + "\"";
}

std::string_view strip(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(" \t\r");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t\r") - begin + 1);
}

}  // namespace

std::string config_with_owner(std::string_view config, std::string_view owner) {
  const std::string line = "\towner = " + config_value(owner) + "\n";
  std::string out;
  bool inside = false, done = false;
  while (!config.empty()) {
    const std::size_t end = std::min(config.find('\n'), config.size());
    const std::string_view text = config.substr(0, end), word = strip(text);
    config.remove_prefix(std::min(end + 1, config.size()));
    if (word.starts_with('[')) inside = word == "[gitweb]";
    const std::string_view key = strip(word.substr(0, word.find('=')));
    if (inside && key == "owner") continue;
    out += text;
    out += '\n';
    if (inside && !done) {
      out += line;
      done = true;
    }
  }
  return done ? out : out + "[gitweb]\n" + line;
}

std::set<std::string> repositories_on_disk(const std::string& home) {
  std::set<std::string> out;
  if (is_directory(repositories_folder(home))) collect(repositories_folder(home), "", 0, out);
  return out;
}

std::vector<std::string> publish_all(const std::string& home) {
  const std::string done = accepted_file(home, "published");
  const auto tip = [&] { return try_read_file(accepted_file(home, "tip")).value_or(""); };
  if (try_read_file(done) == tip()) return {};  // nearly always: nobody waits for the lock
  const FileLock lock = FileLock::exclusive(accepted_file(home, "lock"));
  const std::string now = tip();
  if (try_read_file(done) == now) return {};
  const GitosisConf conf = load_gitosis_conf(home);
  std::vector<std::string> problems;
  for (const std::string& name : repositories_on_disk(home))
    guard(name, problems, [&] { apply(home, conf, name); });
  guard("projects.list", problems, [&] { write_projects_list(home, conf); });
  crash_point("access.published");
  if (problems.empty()) replace_durably(done, now);
  return problems;
}

std::vector<std::string> publish_one(const std::string& home, const GitosisConf& conf,
                                     const std::string& name) {
  const FileLock lock = FileLock::exclusive(accepted_file(home, "lock"));
  std::vector<std::string> problems;
  guard(name, problems, [&] { apply(home, conf, name); });
  guard("projects.list", problems, [&] { write_projects_list(home, conf); });
  return problems;
}

}  // namespace bk::server
