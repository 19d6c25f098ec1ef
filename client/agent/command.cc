#include "client/agent/command.h"

#include "common/path/names.h"

#include <algorithm>

namespace bk::agent {
namespace {

std::string quote_as_git(std::string_view path) {
  std::string out = "'";
  for (const char c : path) {
    if (c == '\'' || c == '!') {
      out += "'\\";
      out += c;
      out += '\'';
    } else {
      out += c;
    }
  }
  return out + "'";
}

std::string unquote(std::string_view text) {
  std::string out;
  bool inside = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\'') {
      inside = !inside;
    } else if (text[i] == '\\' && !inside && i + 1 < text.size()) {
      out += text[++i];
    } else {
      out += text[i];
    }
  }
  return out;
}

}  // namespace

std::optional<AgentCommand> parse_command(std::string_view text) {
  if (text == "backline tree") return AgentCommand{AgentCommand::Verb::Tree, {}, {}};
  if (text == "backline sftp") return AgentCommand{AgentCommand::Verb::Sftp, {}, {}};
  constexpr std::string_view kStripe = "backline stripe ";
  if (text.starts_with(kStripe)) {
    const auto ticket = Digest::from_hex(text.substr(kStripe.size()));
    return ticket ? std::optional(AgentCommand{AgentCommand::Verb::Stripe, {}, *ticket}) : std::nullopt;
  }
  constexpr std::string_view kGit = "git-upload-pack ";
  if (!text.starts_with(kGit) || text.size() > 20000) return std::nullopt;
  const std::string_view word = text.substr(kGit.size());
  const std::string path = unquote(word);
  // One spelling: what unquotes to a path is accepted only when it is how git would have quoted that path.
  if (quote_as_git(path) != word || !is_clean_absolute(path)) return std::nullopt;
  if (std::any_of(path.begin(), path.end(), [](char c) { return c == '\n' || c == '\r'; }))
    return std::nullopt;
  return AgentCommand{AgentCommand::Verb::Git, path, {}};
}

}  // namespace bk::agent
