// The list beside a tree (objects.jsonl, files.jsonl), read when the tree is given back: a JSON object a
// line, its texts percent-encoded.
#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace bk::client {

// Each line of the list of this name in `tree`, the root of a restored tree of `module`.  Throws NotFound
// when there is none, Corrupt for a line that is none.
void for_each_listed(const std::string& tree, const std::string& name, std::string_view module,
                     const std::function<void(const nlohmann::json& line)>& visit);

// The text of that name in a line; "" when there is none.  Throws Corrupt when it is not percent-encoded.
[[nodiscard]] std::string listed_text(const nlohmann::json& line, const char* name);

}  // namespace bk::client
