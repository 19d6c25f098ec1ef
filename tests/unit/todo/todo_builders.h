// Requests and their worlds for the tests of the work list.
#pragma once

#include "proto/request/request.h"
#include "tests/support/temp_dir.h"

#include <fmt/format.h>

#include <string>

namespace bk::test {

inline std::string id_of(unsigned n) { return fmt::format("{:032x}", n); }

inline proto::Request request_of(unsigned n, const std::string& name, const std::string& module = "wiki") {
  proto::Request r;
  r.id = id_of(n);
  r.counter = n;
  r.client = "web1";
  r.module = module;
  r.name = name;
  r.method = "rsync";
  r.place = name;
  r.requested = {1000, 5};
  return r;
}

}  // namespace bk::test
