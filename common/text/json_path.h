// A path of any bytes in JSON: in percent form for people, and exactly.
#pragma once

#include "common/text/escape.h"

#include <nlohmann/json.hpp>
#include <string>

namespace bk {

inline void add_path(nlohmann::json& out, const std::string& path) {
  out["path"] = percent_encode(path);
  out["path_b64"] = base64url_encode(path);
}

}  // namespace bk
