#include "server/access/gate.h"

#include "common/error/error.h"

namespace bk::server {
namespace {

constexpr std::string_view kBlanks = " \t\r\f\v";

[[noreturn]] void refuse(const char* message) { throw Error(Kind::Refused, message); }

std::string_view drop_blanks(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(kBlanks);
  return begin == std::string_view::npos ? std::string_view() : text.substr(begin);
}

// The first word; `rest` becomes what stands behind the blanks that follow it.
std::string_view take_word(std::string_view& rest) {
  rest = drop_blanks(rest);
  const std::size_t end = std::min(rest.find_first_of(kBlanks), rest.size());
  const std::string_view word = rest.substr(0, end);
  rest = drop_blanks(rest.substr(end));
  return word;
}

}  // namespace

GitCommand parse_git_command(std::string_view command) {
  if (command.find('\n') != std::string_view::npos) refuse("Command may not contain newline");
  std::string_view rest = command;
  std::string verb(take_word(rest));
  if (rest.empty()) refuse("Unknown command denied");
  if (verb == "git") {
    verb += ' ';
    verb += take_word(rest);
    if (rest.empty()) refuse("Unknown command denied");
  }
  const bool write = verb == "git-receive-pack" || verb == "git receive-pack";
  if (!write && verb != "git-upload-pack" && verb != "git upload-pack") refuse("Unknown command denied");
  if (rest.size() < 3 || rest.front() != '\'' || rest.back() != '\'')
    refuse("Arguments to command look dangerous");
  std::string_view path = rest.substr(1, rest.size() - 2);
  path.remove_prefix(std::min(path.find_first_not_of('/'), path.size()));
  if (!is_repository_name(path)) refuse("Arguments to command look dangerous");
  return {std::move(verb), write, std::string(path)};
}

Passage pass_gate(const GitosisConf& conf, std::string_view user, std::string_view command) {
  GitCommand parsed = parse_git_command(command);
  std::optional<std::string> person = conf.person(user);
  if (!person) refuse("Bad encoded user id");
  std::optional<Granted> granted = conf.find_writable(*person, parsed.path);
  if (!granted) {
    if (parsed.write && conf.grammar() == Grammar::Later) refuse("Repository write access denied");
    // A stranger who pushes learns only that he may not read: whether the repository exists is not his.
    granted = conf.find_readable(*person, parsed.path);
    if (!granted) refuse("Repository read access denied");
    if (parsed.write) refuse("Repository write access denied");
  }
  if (granted->path.ends_with(".git")) refuse("Arguments to command look dangerous");
  if (granted->path.find(".git/") != std::string::npos)
    refuse("Intermediate repository path contains component ends with '.git'");
  return {std::move(parsed), std::move(*granted), std::move(*person)};
}

std::string repository_of(const Granted& granted) {
  return granted.prefix + (granted.prefix.ends_with('/') ? "" : "/") + granted.path + ".git";
}

}  // namespace bk::server
