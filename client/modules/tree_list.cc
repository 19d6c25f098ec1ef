#include "client/modules/tree_list.h"

#include "common/error/error.h"
#include "common/io/file.h"
#include "common/text/escape.h"

#include <fmt/format.h>

#include <fstream>
#include <optional>

namespace bk::client {

void for_each_listed(const std::string& tree, const std::string& name, std::string_view module,
                     const std::function<void(const nlohmann::json& line)>& visit) {
  const std::string list = join_path(tree, name);
  std::ifstream lines(list);
  if (!lines)
    throw Error(Kind::NotFound, fmt::format("{} is not there: name the root of a restored tree of module {}",
                                            bk::quoted(list), module));
  std::uint64_t number = 0;
  for (std::string line; std::getline(lines, line);) {
    ++number;
    const nlohmann::json parsed = nlohmann::json::parse(line, nullptr, false);
    if (!parsed.is_object())
      throw Error(Kind::Corrupt, fmt::format("{}:{}: not an object of JSON", bk::quoted(list), number));
    visit(parsed);
  }
  if (lines.bad()) throw Error(Kind::Io, "reading " + bk::quoted(list) + " failed");
}

std::string listed_text(const nlohmann::json& line, const char* name) {
  const auto at = line.find(name);
  if (at == line.end() || !at->is_string()) return {};
  const std::optional<std::string> text = percent_decode(at->get<std::string>());
  if (!text) throw Error(Kind::Corrupt, fmt::format("a value of \"{}\" that is not percent-encoded", name));
  return *text;
}

}  // namespace bk::client
