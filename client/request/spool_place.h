// Where dumps are kept between runs (client/modules/spool.h).
#pragma once

#include "common/io/file.h"
#include "proto/request/request.h"

#include <string>

namespace bk::client {

[[nodiscard]] inline std::string spool_root(const std::string& home) { return join_path(home, "spool"); }

// The slot of one source, for one server.
[[nodiscard]] inline std::string spool_slot(const std::string& home, const std::string& server,
                                            const std::string& module, const std::string& name) {
  const std::string part = proto::request_stem(module, name).substr(module.size() + 1);
  return join_path(join_path(join_path(spool_root(home), server), module), part);
}

}  // namespace bk::client
